package interest

import (
	"reflect"

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

// elsewhere is a port as hosts other than its own see it: without what only
// its own host acts on, so that a rename or a status does not fan out.
func elsewhere(p *model.Port) *model.Port {
	q := *p
	q.Meta = model.Meta{ID: p.ID, ProjectID: p.ProjectID}
	q.VIFDetails, q.BindingProfile, q.Bindings = nil, nil, nil
	q.NUMAAffinityPolicy, q.DeviceProfile, q.DataPlaneStatus = "", "", ""
	q.IPAllocation, q.PropagateUplink = "", false
	return &q
}

// sameElsewhere reports whether two states of a port look the same from other
// hosts.
func sameElsewhere(a, b *model.Port) bool {
	return reflect.DeepEqual(elsewhere(a), elsewhere(b))
}
