package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"github.com/lepton-sdn/lepton/lab"
)

// Attributes are those of an API object, by name.
type Attributes map[string]any

// Network is a network as the API shows it.
type Network struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	MTU             int    `json:"mtu"`
	Status          string `json:"status"`
	Type            string `json:"provider:network_type"`
	PhysicalNetwork string `json:"provider:physical_network"`
	SegmentationID  int    `json:"provider:segmentation_id"`
	Subnets         []string
}

// Subnet is a subnet as the API shows it.
type Subnet struct {
	ID      string       `json:"id"`
	CIDR    netip.Prefix `json:"cidr"`
	Gateway string       `json:"gateway_ip"`
}

// Port is a port as the API shows it.
type Port struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	MAC      string `json:"mac_address"`
	Status   string `json:"status"`
	Host     string `json:"binding:host_id"`
	VIFType  string `json:"binding:vif_type"`
	Revision int    `json:"revision_number"`
	FixedIPs []struct {
		SubnetID string     `json:"subnet_id"`
		IP       netip.Addr `json:"ip_address"`
	} `json:"fixed_ips"`
}

// Guest is a plugged guest with its place and its port.
type Guest struct {
	lab.Guest
	*lab.Place
	Port Port
}

// IP gives the guest's address of the family, 4 or 6.
func (g Guest) IP(family int) netip.Addr { return g.Guest.IP(family) }

// collection is the path of a kind of object, whose name has underscores: the
// API's paths have hyphens.
func collection(kind string) string { return "/v2.0/" + strings.ReplaceAll(kind, "_", "-") + "s" }

// create makes an object of a kind and reads the answer into out.
func (c *Cloud) create(kind string, attrs Attributes, out any) {
	c.Helper()
	if attrs == nil {
		attrs = Attributes{}
	}
	if kind == "subnet" {
		attrs = withPools(attrs)
	}
	var answer map[string]json.RawMessage
	c.Must(c.Lab.API().Call(c.Context(), "POST", collection(kind), map[string]any{kind: attrs}, &answer))
	c.Must(json.Unmarshal(answer[kind], out))
}

// withPools has the addresses that nobody asks for come from the middle of a /24:
// the others are for tests that choose some.
func withPools(attrs Attributes) Attributes {
	cidr, _ := attrs["cidr"].(string)
	p, err := netip.ParsePrefix(cidr)
	if _, chosen := attrs["allocation_pools"]; chosen || err != nil || p.Addr().Is6() || p.Bits() != 24 {
		return attrs
	}
	at := func(last byte) string {
		a := p.Addr().As4()
		a[3] = last
		return netip.AddrFrom4(a).String()
	}
	attrs = maps.Clone(attrs)
	attrs["allocation_pools"] = []Attributes{{"start": at(100), "end": at(199)}}
	return attrs
}

// Network creates a network; without attributes it is a tenant's own.
func (c *Cloud) Network(attrs Attributes) Network {
	c.Helper()
	var n Network
	c.create("network", attrs, &n)
	return n
}

// Subnet creates a subnet on the network.
func (c *Cloud) Subnet(n Network, cidr string) Subnet {
	c.Helper()
	version := 4
	if netip.MustParsePrefix(cidr).Addr().Is6() {
		version = 6
	}
	var s Subnet
	c.create("subnet", Attributes{"network_id": n.ID, "cidr": cidr, "ip_version": version}, &s)
	return s
}

// Port creates a port on the network; more may be nil.
func (c *Cloud) Port(n Network, more Attributes) Port {
	c.Helper()
	attrs := Attributes{"network_id": n.ID}
	for k, v := range more {
		attrs[k] = v
	}
	var p Port
	c.create("port", attrs, &p)
	return p
}

// Update changes an object: kind is port, network … .
func (c *Cloud) Update(kind, id string, attrs Attributes) {
	c.Helper()
	c.Must(c.Lab.API().Call(c.Context(), "PUT", collection(kind)+"/"+id, map[string]any{kind: attrs}, nil))
}

// Delete deletes an object: kind is port, network … .
func (c *Cloud) Delete(kind, id string) {
	c.Helper()
	c.Must(c.Lab.API().Call(c.Context(), "DELETE", collection(kind)+"/"+id, nil, nil))
}

// ShowPort reads a port.
func (c *Cloud) ShowPort(id string) Port {
	c.Helper()
	var answer struct{ Port Port }
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/ports/"+id, nil, &answer))
	return answer.Port
}

// Plug gives the guest of that name on the host a NIC for the port, and waits
// until the port is ACTIVE.
func (c *Cloud) Plug(host, guest string, p Port) Guest {
	c.Helper()
	g, err := c.Lab.Plug(c.Context(), lab.PlugRequest{Host: host, Port: p.ID, Guest: guest, Wait: true})
	c.Must(err)
	return c.guest(g, p)
}

func (c *Cloud) guest(g lab.Guest, p Port) Guest {
	c.Helper()
	place, err := c.Lab.Place(g.Name)
	c.Must(err)
	return Guest{Guest: g, Place: place, Port: p}
}

// Guest creates a port on the network and plugs it into a new guest.
func (c *Cloud) Guest(host, name string, n Network) Guest {
	c.Helper()
	return c.Plug(host, name, c.Port(n, Attributes{"name": name}))
}

// Guests creates and plugs count guests on the host at once, prefix1 … .
func (c *Cloud) Guests(host, prefix string, n Network, count int) []Guest {
	c.Helper()
	var ports []Port
	var requests []lab.PlugRequest
	for i := 1; i <= count; i++ {
		name := fmt.Sprintf("%s%d", prefix, i)
		p := c.Port(n, Attributes{"name": name})
		ports = append(ports, p)
		requests = append(requests, lab.PlugRequest{Host: host, Port: p.ID, Guest: name, Wait: true})
	}
	plugged, err := c.Lab.PlugAll(c.Context(), requests)
	c.Must(err)
	out := make([]Guest, count)
	for i, g := range plugged {
		out[i] = c.guest(g, ports[i])
	}
	return out
}
