package plugin

import (
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// A port may have floating addresses, and be forwarded to. When it goes, or
// loses an address, they are freed and removed.

// releaseTranslations frees all that is translated to a port that goes away.
// Nothing may be added to it at the same moment.
func (p *Plugin) releaseTranslations(u *records.Update, port string) error {
	for _, id := range translationsOf(u, port) {
		if err := p.releaseTranslation(u, id); err != nil {
			return err
		}
	}
	u.RequireNoClaims(natPrefix(port))
	return nil
}

// releaseLostAddresses frees what is translated to addresses that a port no
// longer has.
func (p *Plugin) releaseLostAddresses(u *records.Update, before, port *model.Port) error {
	kept := func(f model.FixedIP) bool { return slices.Contains(port.FixedIPs, f) }
	if !slices.ContainsFunc(before.FixedIPs, func(f model.FixedIP) bool { return !kept(f) }) {
		return nil
	}
	for _, id := range translationsOf(u, port.ID) {
		if kept(translatedTo(u, id)) {
			continue
		}
		if err := p.releaseTranslation(u, id); err != nil {
			return err
		}
	}
	// What stays is claimed anew, and nothing else may be, so that a floating
	// address that comes at the same moment is not left behind.
	for key, owner := range snapshot(u, natPrefix(port.ID)) {
		u.Release(key)
		if err := u.Claim(key, owner); err != nil {
			return err
		}
	}
	u.RequireNoClaims(natPrefix(port.ID))
	return nil
}

// translationsOf gives the ids of the floating addresses and forwardings to a
// port.
func translationsOf(r records.Reader, port string) []string {
	var ids []string
	for _, id := range r.ClaimsUnder(natPrefix(port)) {
		ids = append(ids, id)
	}
	return ids
}

func snapshot(r records.Reader, prefix string) map[string]string {
	all := map[string]string{}
	for key, owner := range r.ClaimsUnder(prefix) {
		all[key] = owner
	}
	return all
}

// translatedTo is the internal address of a floating address or a forwarding.
func translatedTo(u *records.Update, id string) model.FixedIP {
	if f, ok := records.FloatingIPs.Get(u, id); ok {
		return model.FixedIP{SubnetID: f.SubnetID, IP: f.FixedIP}
	}
	if f, ok := records.PortForwardings.Get(u, id); ok {
		return model.FixedIP{SubnetID: f.SubnetID, IP: f.InternalIP}
	}
	return model.FixedIP{}
}

func (p *Plugin) releaseTranslation(u *records.Update, id string) error {
	if before, ok := records.FloatingIPs.Get(u, id); ok {
		f := *before
		dissociate(&f)
		return p.saveFloating(u, before, &f)
	}
	if f, ok := records.PortForwardings.Get(u, id); ok {
		return p.removeForwarding(u, f)
	}
	return nil
}

// deleteFreeFloating removes the floating addresses of a network that goes, as
// far as they are not in use.
func (p *Plugin) deleteFreeFloating(u *records.Update, network string) error {
	for f := range records.FloatingIPsByNetwork.Get(u, network) {
		if f.RouterID != "" {
			continue
		}
		if err := p.DeleteFloatingIP(u, f.ID); err != nil {
			return err
		}
	}
	return nil
}
