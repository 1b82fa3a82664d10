package plugin

import (
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// AddressGroupSpec is an address group as a request asks for it.
type AddressGroupSpec struct{ model.AddressGroup }

// AddressGroupView is an address group as the API shows it.
type AddressGroupView struct {
	*model.AddressGroup
	Sharing
}

// ViewAddressGroup gives an address group as the API shows it.
func (p *Plugin) ViewAddressGroup(r records.Reader, g *model.AddressGroup) *AddressGroupView {
	return &AddressGroupView{AddressGroup: g, Sharing: sharingOf(r, g.ID)}
}

// Target is the group as rules about rights see it.
func (v *AddressGroupView) Target() identity.Target { return v.target(v.ProjectID) }

const addressGroupType = "address_group"

func addressGroupUseKey(group, rule string) string { return addressGroupUsePrefix(group) + rule }
func addressGroupUsePrefix(group string) string    { return "aguse/" + group + "/" }

// CreateAddressGroup makes an address group.
func (p *Plugin) CreateAddressGroup(_ Call, u *records.Update, s *AddressGroupSpec) (string, error) {
	g := s.AddressGroup
	p.newMeta(&g.Meta, 0)
	wanted := g.Addresses
	g.Addresses = nil
	if err := addAddresses(&g, wanted); err != nil {
		return "", err
	}
	records.AddressGroups.Put(u, &g)
	return g.ID, nil
}

// addAddresses adds prefixes that the group does not have.
func addAddresses(g *model.AddressGroup, wanted []netip.Prefix) error {
	var there []string
	have := slices.Clone(g.Addresses)
	for _, a := range wanted {
		a = a.Masked()
		if slices.Contains(have, a) {
			there = append(there, a.String())
			continue
		}
		have = append(have, a)
	}
	if there != nil {
		return BadRequest("AddressesAlreadyExist", "Addresses %s already exist in the address group %s.", strings.Join(there, ", "), g.ID)
	}
	slices.SortFunc(have, func(a, b netip.Prefix) int { return a.Compare(b) })
	g.Addresses = have
	return nil
}

// UpdateAddressGroup changes an address group's name and description.
func (p *Plugin) UpdateAddressGroup(_ Call, u *records.Update, before *model.AddressGroup, s *AddressGroupSpec) error {
	g := s.AddressGroup
	if !reflect.DeepEqual(g, *before) {
		p.touch(&g.Meta)
		records.AddressGroups.Put(u, &g)
	}
	return nil
}

// AddAddresses adds prefixes to an address group; none of them may be in it.
func (p *Plugin) AddAddresses(u *records.Update, before *model.AddressGroup, wanted []netip.Prefix) error {
	g := *before
	if err := addAddresses(&g, wanted); err != nil {
		return err
	}
	p.touch(&g.Meta)
	records.AddressGroups.Put(u, &g)
	return nil
}

// RemoveAddresses removes prefixes from an address group; all of them must be
// in it.
func (p *Plugin) RemoveAddresses(u *records.Update, before *model.AddressGroup, unwanted []netip.Prefix) error {
	g := *before
	var missing []string
	g.Addresses = slices.Clone(before.Addresses)
	for _, a := range unwanted {
		at := slices.Index(g.Addresses, a.Masked())
		if at < 0 {
			missing = append(missing, a.Masked().String())
			continue
		}
		g.Addresses = slices.Delete(g.Addresses, at, at+1)
	}
	if missing != nil {
		return Refuse(http.StatusNotFound, "AddressesNotFound", "Addresses %s not found in the address group %s.", strings.Join(missing, ", "), g.ID)
	}
	p.touch(&g.Meta)
	records.AddressGroups.Put(u, &g)
	return nil
}

// DeleteAddressGroup removes an address group that no rule names.
func (p *Plugin) DeleteAddressGroup(u *records.Update, id string) error {
	if _, ok := records.AddressGroups.Get(u, id); !ok {
		return NotFound("AddressGroup", "Address group", id)
	}
	if held(u, addressGroupUsePrefix(id)) {
		return Conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", id)
	}
	if err := unshare(u, id, everyPolicy); err != nil {
		return err
	}
	u.RequireNoClaims(addressGroupUsePrefix(id))
	records.AddressGroups.Delete(u, id)
	return nil
}

// checkAddressGroup finds out whether a rule may name the address group.
func (p *Plugin) checkAddressGroup(c Call, u *records.Update, id string) error {
	g, ok := records.AddressGroups.Get(u, id)
	if !ok || !policy.May(p.seeAddressGroup, c.Who, sharingOf(u, id).target(g.ProjectID)) {
		return NotFound("AddressGroup", "Address group", id)
	}
	return nil
}
