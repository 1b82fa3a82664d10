package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"

	"github.com/google/uuid"
)

// portRecord and the next two are what the API tells about a port.
type portRecord struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	NetworkID string `json:"network_id"`
	MAC       string `json:"mac_address"`
	Status    string `json:"status"`
	Host      string `json:"binding:host_id"`
	DeviceID  string `json:"device_id"`
	FixedIPs  []struct {
		SubnetID string     `json:"subnet_id"`
		IP       netip.Addr `json:"ip_address"`
	} `json:"fixed_ips"`
}

type subnetRecord struct {
	CIDR       netip.Prefix `json:"cidr"`
	Gateway    *netip.Addr  `json:"gateway_ip"`
	HostRoutes []struct {
		Destination netip.Prefix `json:"destination"`
		NextHop     netip.Addr   `json:"nexthop"`
	} `json:"host_routes"`
}

type networkRecord struct {
	MTU int `json:"mtu"`
}

// vif is a NIC on its way into a guest: what the records say of it.
type vif struct {
	req     PlugRequest
	host    *HostPlan
	guest   Guest
	nic     NIC
	mac     net.HardwareAddr
	gateway []netip.Addr
	routes  []route
	// makesGuest is set for the first NIC of a guest that was not there.
	makesGuest bool
	// bound says that the port is the host's and the guest's already.
	bound bool
}

type route struct {
	dst netip.Prefix
	via netip.Addr
}

// describe reads the records of the ports from the API.
func (l *Lab) describe(ctx context.Context, rs []PlugRequest) ([]*vif, error) {
	vifs := make([]*vif, len(rs))
	for i, r := range rs {
		h, err := l.host(r.Host)
		if err != nil {
			return nil, err
		}
		vifs[i] = &vif{req: r, host: h}
	}
	err := l.eachVIF(vifs, func(v *vif) error {
		if err := l.readRecords(ctx, v); err != nil {
			return fmt.Errorf("port %s: %w", v.req.Port, err)
		}
		return nil
	})
	return vifs, err
}

var guestForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,60}$`)

func (l *Lab) readRecords(ctx context.Context, v *vif) error {
	p, err := l.findPort(ctx, v.req.Port)
	if err != nil {
		return err
	}
	name := v.req.Guest
	if name == "" {
		name = p.Name
	}
	if !guestForm.MatchString(name) {
		if v.req.Guest != "" {
			return fail(ErrUsage, "guest name %q is not one of letters, digits, dots and hyphens", name)
		}
		name = "vm-" + p.ID[:8]
	}
	if _, err := l.host(name); err == nil || name == fabricName || name == internetName {
		return fail(ErrExists, "%s is a host of the lab: name the guest with --guest", name)
	}
	v.guest = Guest{
		Name: name, Host: v.host.Name, Namespace: l.plan.Lab + "-" + name,
		ID: uuid.NewSHA1(uuid.MustParse(l.mark), []byte(name)).String(),
	}
	if v.mac, err = net.ParseMAC(p.MAC); err != nil {
		return err
	}
	var network struct{ Network networkRecord }
	if err := l.API().Call(ctx, http.MethodGet, "/v2.0/networks/"+p.NetworkID, nil, &network); err != nil {
		return err
	}
	v.nic = NIC{Port: p.ID, Tap: tapName(p.ID), MAC: p.MAC, MTU: network.Network.MTU}
	if !v.req.NoAddress {
		if err := l.readSubnets(ctx, v, p); err != nil {
			return err
		}
	}
	v.bound = p.Host == v.host.Name && p.DeviceID == v.guest.ID
	return nil
}

// bind gives the port to the host and the guest, as Nova does before it plugs.
func (l *Lab) bind(ctx context.Context, v *vif) error {
	if v.bound {
		return nil
	}
	err := l.API().Call(ctx, http.MethodPut, "/v2.0/ports/"+v.nic.Port, map[string]any{"port": map[string]any{
		"binding:host_id": v.host.Name, "device_id": v.guest.ID, "device_owner": "compute:nova",
	}}, nil)
	if err != nil {
		return fmt.Errorf("port %s: %w", v.req.Port, err)
	}
	return nil
}

// findPort reads a port by its id or by its name.
func (l *Lab) findPort(ctx context.Context, idOrName string) (portRecord, error) {
	if _, err := uuid.Parse(idOrName); err == nil {
		var answer struct{ Port portRecord }
		err := l.API().Call(ctx, http.MethodGet, "/v2.0/ports/"+idOrName, nil, &answer)
		if isStatus(err, http.StatusNotFound) {
			return portRecord{}, fail(ErrNotFound, "the API has no such port: openstack port list shows them")
		}
		return answer.Port, err
	}
	var answer struct{ Ports []portRecord }
	err := l.API().Call(ctx, http.MethodGet, "/v2.0/ports?name="+url.QueryEscape(idOrName), nil, &answer)
	switch {
	case err != nil:
		return portRecord{}, err
	case len(answer.Ports) == 0:
		return portRecord{}, fail(ErrNotFound, "the API has no port of this id or name: openstack port list shows them")
	case len(answer.Ports) > 1:
		return portRecord{}, fail(ErrUsage, "%d ports have this name: use the id", len(answer.Ports))
	}
	return answer.Ports[0], nil
}

func (l *Lab) readSubnets(ctx context.Context, v *vif, p portRecord) error {
	for _, ip := range p.FixedIPs {
		var answer struct{ Subnet subnetRecord }
		if err := l.API().Call(ctx, http.MethodGet, "/v2.0/subnets/"+ip.SubnetID, nil, &answer); err != nil {
			return err
		}
		s := answer.Subnet
		v.nic.Addresses = append(v.nic.Addresses, netip.PrefixFrom(ip.IP, s.CIDR.Bits()))
		if s.Gateway != nil && s.Gateway.IsValid() {
			v.gateway = append(v.gateway, *s.Gateway)
		}
		for _, r := range s.HostRoutes {
			v.routes = append(v.routes, route{r.Destination, r.NextHop})
		}
	}
	return nil
}
