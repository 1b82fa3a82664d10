package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// floatingStatus is a floating address's status: what the host that has its router
// made of the address as it is now. One that an agent has not yet realised, or
// that is not in use, is DOWN.
func floatingStatus(r records.Reader, f *model.FloatingIP) string {
	binding := routerBinding(r, f.RouterID)
	status := statusDown
	for s := range records.ObjectStatusesByObject.Get(r, records.ObjectKey(model.ObjectFloatingIP, f.ID)) {
		here := f.Host == s.Host || f.Host == "" && binding.On(s.Host)
		if !here || s.Revision < f.Revision {
			continue
		}
		switch s.State {
		case model.ObjectActive:
			return statusActive
		case model.ObjectError:
			status = statusError
		}
	}
	return status
}

// routerStatus is a router's status: ERROR when a host that it is on cannot bring
// about what the records say, which its agent's problems tell more of. A router
// that waits for its host is ACTIVE, as Neutron's are.
func routerStatus(r records.Reader, router string) string {
	binding, ok := records.RouterBindings.Get(r, router)
	if !ok {
		return statusActive
	}
	for s := range records.ObjectStatusesByObject.Get(r, records.ObjectKey(model.ObjectRouter, router)) {
		if binding.On(s.Host) && s.State == model.ObjectError {
			return statusError
		}
	}
	return statusActive
}

// forgetStates removes what hosts said of an object that is deleted.
func forgetStates(u *records.Update, kind model.ObjectKind, id string) {
	for _, s := range slices.Collect(records.ObjectStatusesByObject.Get(u.Peek(), records.ObjectKey(kind, id))) {
		records.ObjectStatuses.Delete(u, s.Key())
	}
}
