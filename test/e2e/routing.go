package e2e

import "net/netip"

// Router is a router as the API shows it.
type Router struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Gateway struct {
		FixedIPs []struct {
			IP netip.Addr `json:"ip_address"`
		} `json:"external_fixed_ips"`
	} `json:"external_gateway_info"`
}

// External is the router's address of the family on the external network.
func (r Router) External(family int) netip.Addr {
	for _, f := range r.Gateway.FixedIPs {
		if f.IP.Is4() == (family == 4) {
			return f.IP
		}
	}
	return netip.Addr{}
}

// FloatingIP is a floating address as the API shows it.
type FloatingIP struct {
	ID      string     `json:"id"`
	Address netip.Addr `json:"floating_ip_address"`
	Status  string     `json:"status"`
}

// Router creates a router with interfaces on the subnets, and a gateway on the
// external network unless that is nil.
func (c *Cloud) Router(external *Network, subnets ...Subnet) Router {
	c.Helper()
	attrs := Attributes{}
	if external != nil {
		attrs["external_gateway_info"] = Attributes{"network_id": external.ID}
	}
	var r Router
	c.create("router", attrs, &r)
	for _, s := range subnets {
		c.AddInterface(r, s)
	}
	return r
}

// AddInterface gives the router an interface on the subnet.
func (c *Cloud) AddInterface(r Router, s Subnet) {
	c.Helper()
	c.Must(c.Lab.API().Call(c.Context(), "PUT", "/v2.0/routers/"+r.ID+"/add_router_interface", map[string]any{"subnet_id": s.ID}, nil))
}

// RemoveInterface takes it away.
func (c *Cloud) RemoveInterface(r Router, s Subnet) {
	c.Helper()
	c.Must(c.Lab.API().Call(c.Context(), "PUT", "/v2.0/routers/"+r.ID+"/remove_router_interface", map[string]any{"subnet_id": s.ID}, nil))
}

// FloatingIP creates a floating address, for the port unless that is nil.
func (c *Cloud) FloatingIP(external Network, p *Port) FloatingIP {
	c.Helper()
	attrs := Attributes{"floating_network_id": external.ID}
	if p != nil {
		attrs["port_id"] = p.ID
	}
	var f FloatingIP
	c.create("floatingip", attrs, &f)
	return f
}

// DeleteFloatingIPs deletes all floating addresses and what they forward.
func (c *Cloud) DeleteFloatingIPs() {
	c.Helper()
	call := func(method, path string, out any) {
		c.Helper()
		c.Must(c.Lab.API().Call(c.Context(), method, "/v2.0/floatingips"+path, nil, out))
	}
	var all struct{ FloatingIPs []FloatingIP }
	call("GET", "", &all)
	for _, f := range all.FloatingIPs {
		var forwardings struct {
			List []struct{ ID string } `json:"port_forwardings"`
		}
		call("GET", "/"+f.ID+"/port_forwardings", &forwardings)
		for _, p := range forwardings.List {
			call("DELETE", "/"+f.ID+"/port_forwardings/"+p.ID, nil)
		}
		call("DELETE", "/"+f.ID, nil)
	}
}
