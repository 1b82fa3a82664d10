package interest

import (
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// bindingFailed is the vif_type of a port that no host could bind.
const bindingFailed = "binding_failed"

// BoundHost is the host on which a port is to be wired, "" for none: a port
// without binding:host_id, or one whose binding has failed.
func BoundHost(p *model.Port) string {
	if p.VIFType == bindingFailed {
		return ""
	}
	return p.Host
}

// pluggedOn are the hosts on which a port is to be wired: where it is bound, and
// those of an ha router that may come to use it.
func pluggedOn(p *model.Port) []string {
	host := BoundHost(p)
	switch {
	case host == "":
		return nil
	case slices.Contains(p.HAHosts, host):
		return p.HAHosts
	}
	return append([]string{host}, p.HAHosts...)
}

// HostsOf names the hosts that a record is about, which see more of it than
// others do.
func HostsOf(rec any) (hosts []string) {
	switch r := rec.(type) {
	case *model.Port:
		hosts = pluggedOn(r)
	case *model.RouterBinding:
		for _, h := range r.Hosts {
			hosts = append(hosts, h.Host)
		}
	case *model.DHCPBinding:
		for _, h := range r.Hosts {
			hosts = append(hosts, h.Host)
		}
	}
	return hosts
}

// about reports whether the host is one of those that special names.
func about(rec any, host string) bool {
	switch r := rec.(type) {
	case *model.Port:
		at := BoundHost(r)
		return at != "" && (at == host || slices.Contains(r.HAHosts, host))
	case *model.RouterBinding:
		return slices.ContainsFunc(r.Hosts, func(h model.RouterHost) bool { return h.Host == host })
	case *model.DHCPBinding:
		return slices.ContainsFunc(r.Hosts, func(h model.DHCPHost) bool { return h.Host == host })
	}
	return false
}

// seen is a record as a host sees it; "" is any host that the record is not
// about. It leaves out what the host does not act on, so that a rename or an
// allocation does not fan out.
func seen(rec any, host string) any {
	switch r := rec.(type) {
	case *model.Port:
		if about(r, host) {
			return r
		}
		return elsewhere(r)
	case *model.RouterBinding:
		b := &model.RouterBinding{RouterID: r.RouterID}
		for _, h := range r.Hosts {
			if h.Host != host {
				continue
			}
			told := model.RouterHost{Host: h.Host, Priority: h.Priority, Active: h.Active, Denied: h.Denied}
			if h.Active {
				told.Grant = h.Grant
			}
			if h.Active && r.Challenge != nil {
				told.Challenge = r.Challenge.Number
			}
			b.Hosts = append(b.Hosts, told)
		}
		return b
	case *model.DHCPBinding:
		b := &model.DHCPBinding{NetworkID: r.NetworkID}
		for _, h := range r.Hosts {
			if h.Host == host {
				b.Hosts = append(b.Hosts, model.DHCPHost{Host: h.Host, PortID: h.PortID})
			}
		}
		return b
	case *model.SubnetPool:
		return &model.SubnetPool{
			Meta: model.Meta{ID: r.ID, ProjectID: r.ProjectID}, IPVersion: r.IPVersion, AddressScopeID: r.AddressScopeID,
		}
	}
	return rec
}

// elsewhere is a port as hosts other than its own see it.
func elsewhere(p *model.Port) *model.Port {
	q := *p
	q.Meta = model.Meta{ID: p.ID, ProjectID: p.ProjectID}
	q.Host = BoundHost(p)
	q.VIFDetails, q.BindingProfile, q.Bindings, q.SecurityGroups = nil, nil, nil, nil
	q.NUMAAffinityPolicy, q.DeviceProfile, q.DataPlaneStatus = "", "", ""
	q.IPAllocation, q.PropagateUplink, q.QoSPolicyID = "", false, ""
	return &q
}

func same(a, b any) bool { return reflect.DeepEqual(a, b) }
