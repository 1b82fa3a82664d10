package plugin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// BindingSpec is a binding of a port to a host as a request asks for it.
type BindingSpec struct {
	model.PortBinding
	PortID string
}

// BindingView is a binding of a port to a host as the API shows it.
type BindingView struct {
	model.PortBinding
	PortID string
	// Active marks the one in use: where the port is.
	Active bool
}

// ownerComputePrefix begins the device owners of guests.
const ownerComputePrefix = "compute:"

// maxBindings is how many bindings a port may have besides the one in use.
const maxBindings = 32

// BindingViews gives the bindings of a port, the one in use first.
func BindingViews(port *model.Port) []*BindingView {
	out := []*BindingView{{PortID: port.ID, Active: true, PortBinding: model.PortBinding{
		Host: port.Host, VNICType: port.VNICType, VIFType: port.VIFType, VIFDetails: port.VIFDetails, Profile: port.BindingProfile,
	}}}
	for _, b := range port.Bindings {
		out = append(out, &BindingView{PortID: port.ID, PortBinding: b})
	}
	return out
}

// CheckBindings refuses ports that are not a guest's: only those have bindings
// of their own.
func CheckBindings(port *model.Port) error {
	if !strings.HasPrefix(port.DeviceOwner, ownerComputePrefix) {
		return BadRequest("BadRequest", "Bad port request: Invalid port %s, operation only valid on compute ports.", port.ID)
	}
	return nil
}

func noBinding(port, host string) *Error {
	return NotFoundAs("PortBindingNotFound", "Binding for port %s for host %s could not be found.", port, host)
}

func bindingFailed(port, host string) *Error {
	return Refuse(http.StatusInternalServerError, "PortBindingError", "Binding for port %s on host %s could not be created or updated.", port, host)
}

func bindingActive(port, host string) *Error {
	return Conflict("PortBindingAlreadyActive", "Binding for port %s on host %s is already active.", port, host)
}

// guestPort gives a guest's port and its network.
func guestPort(u *records.Update, id string) (*model.Port, *model.Network, error) {
	port, ok := records.Ports.Get(u, id)
	if !ok {
		return nil, nil, NotFound("Port", "Port", id)
	}
	if err := CheckBindings(port); err != nil {
		return nil, nil, err
	}
	network, ok := records.Networks.Get(u, port.NetworkID)
	if !ok {
		return nil, nil, NotFound("Network", "Network", port.NetworkID)
	}
	return port, network, nil
}

func bindingOn(port *model.Port, host string) int {
	return slices.IndexFunc(port.Bindings, func(b model.PortBinding) bool { return b.Host == host })
}

// bindTo works out a binding of a port to a host that is not in use.
func (p *Plugin) bindTo(r records.Reader, n *model.Network, port *model.Port, want model.PortBinding) (model.PortBinding, error) {
	if err := checkProfile(want.Profile); err != nil {
		return want, err
	}
	there := *port
	there.Host, there.VNICType, there.BindingProfile = want.Host, want.VNICType, want.Profile
	if p.bind(r, n, &there); !bound(&there) {
		return want, bindingFailed(port.ID, want.Host)
	}
	want.VIFType, want.VIFDetails = there.VIFType, there.VIFDetails
	return want, nil
}

func checkProfile(profile map[string]any) error {
	if len(profile) > 0 {
		if b, err := json.Marshal(profile); err != nil || len(b) > maxProfile {
			return InvalidInput("binding:profile value too large")
		}
	}
	return nil
}

// CreateBinding binds a guest's port to another host, for when the guest moves
// there; it is not in use until it is activated.
func (p *Plugin) CreateBinding(_ Call, u *records.Update, s *BindingSpec) (string, error) {
	port, network, err := guestPort(u, s.PortID)
	switch {
	case err != nil:
		return "", err
	case port.Host == s.Host || bindingOn(port, s.Host) >= 0:
		return "", Conflict("PortBindingAlreadyExists", "Binding for port %s on host %s already exists.", port.ID, s.Host)
	case len(port.Bindings) >= maxBindings:
		return "", InvalidInput("a port has at most %d bindings that are not in use", maxBindings)
	}
	if err := bindTrunked(u, port, s.Host); err != nil {
		return "", err
	}
	b, err := p.bindTo(u, network, port, s.PortBinding)
	if err != nil {
		return "", err
	}
	changed := *port
	changed.Bindings = append(slices.Clone(port.Bindings), b)
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return b.Host, nil
}

// UpdateBinding changes the kind of interface or the profile of a binding.
func (p *Plugin) UpdateBinding(_ Call, u *records.Update, before *BindingView, s *BindingSpec) error {
	port, network, err := guestPort(u, before.PortID)
	if err != nil {
		return err
	}
	b, err := p.bindTo(u, network, port, s.PortBinding)
	if err != nil {
		return err
	}
	changed := *port
	if at := bindingOn(port, before.Host); at >= 0 {
		changed.Bindings = slices.Clone(port.Bindings)
		changed.Bindings[at] = b
	} else {
		changed.VNICType, changed.BindingProfile, changed.VIFType, changed.VIFDetails = b.VNICType, b.Profile, b.VIFType, b.VIFDetails
	}
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return nil
}

// DeleteBinding removes a binding that is not in use.
func (p *Plugin) DeleteBinding(u *records.Update, id, host string) error {
	port, _, err := guestPort(u, id)
	if err != nil {
		return err
	}
	at := bindingOn(port, host)
	switch {
	case at >= 0:
	case port.Host == host:
		return bindingActive(id, host)
	default:
		return noBinding(id, host)
	}
	changed := *port
	changed.Bindings = slices.Delete(slices.Clone(port.Bindings), at, at+1)
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return nil
}

// ActivateBinding moves a port to the host of a binding. The binding that was in
// use stays as one that is not.
func (p *Plugin) ActivateBinding(u *records.Update, id, host string) (*BindingView, error) {
	port, network, err := guestPort(u, id)
	if err != nil {
		return nil, err
	}
	if port.Host == host && host != "" {
		return nil, bindingActive(id, host)
	}
	at := bindingOn(port, host)
	if at < 0 {
		return nil, noBinding(id, host)
	}
	b, err := p.bindTo(u, network, port, port.Bindings[at])
	if err != nil {
		return nil, err
	}
	changed := *port
	changed.Bindings = slices.Delete(slices.Clone(port.Bindings), at, at+1)
	if port.Host != "" {
		changed.Bindings = append(changed.Bindings, model.PortBinding{
			Host: port.Host, VNICType: port.VNICType, Profile: port.BindingProfile, VIFType: VIFUnbound,
		})
	}
	changed.Host, changed.VNICType, changed.BindingProfile, changed.VIFType, changed.VIFDetails = b.Host, b.VNICType, b.Profile, b.VIFType, b.VIFDetails
	p.followHost(u, network, port, &changed)
	p.touch(&changed.Meta)
	records.Ports.Put(u, &changed)
	return BindingViews(&changed)[0], nil
}

// followHost looks after what else changes when a port goes to another host.
func (p *Plugin) followHost(u *records.Update, n *model.Network, before, port *model.Port) {
	if port.Host == before.Host {
		return
	}
	if at := bindingOn(port, port.Host); at >= 0 { // that one is in use now
		port.Bindings = slices.Delete(slices.Clone(port.Bindings), at, at+1)
	}
	if len(n.Segments) > 1 {
		renew(u, macKey(port.NetworkID, before.MAC), port.ID) // see DeleteSegment
	}
}
