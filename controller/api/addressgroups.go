package api

import (
	"iter"
	"net/netip"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	addressGroupSpec = plugin.AddressGroupSpec
	addressGroupView = plugin.AddressGroupView
)

// newAddressGroups serves /v2.0/address-groups.
func newAddressGroups(a *API) endpoint {
	p := a.config.Plugin
	c := &collection[addressGroupSpec, addressGroupView]{
		api: a, member: "address_group", plural: "address_groups", path: "address-groups",
		kind: "AddressGroup", title: "Address group", bulk: true, updateHides: true,
		attrs:  addressGroupAttrs(),
		id:     func(v *addressGroupView) string { return v.ID },
		target: func(_ records.Reader, v *addressGroupView) identity.Target { return v.Target() },
		find:   found(records.AddressGroups, p.ViewAddressGroup),
		all: func(r records.Reader) iter.Seq[*addressGroupView] {
			return views(records.AddressGroups.All(r), func(g *model.AddressGroup) *addressGroupView { return p.ViewAddressGroup(r, g) })
		},
		fresh: func(rq *request) *addressGroupSpec {
			s := &addressGroupSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:   func(v *addressGroupView) *addressGroupSpec { return &addressGroupSpec{AddressGroup: *v.AddressGroup} },
		create: p.CreateAddressGroup,
		update: func(c plugin.Call, u *records.Update, before *addressGroupView, s *addressGroupSpec) error {
			return p.UpdateAddressGroup(c, u, before.AddressGroup, s)
		},
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteAddressGroup(u, id) },
		specTarget: ownedTarget(func(s *addressGroupSpec) *model.Meta { return &s.Meta }),
	}
	return operations[addressGroupSpec, addressGroupView]{collection: c.governed(), read: map[string]func(map[string]any) (operation[addressGroupView], error){
		"add_addresses":    groupAddresses(p.AddAddresses),
		"remove_addresses": groupAddresses(p.RemoveAddresses),
	}}
}

// groupAddresses reads and does a change of a group's addresses.
func groupAddresses(change func(*records.Update, *model.AddressGroup, []netip.Prefix) error) func(map[string]any) (operation[addressGroupView], error) {
	return func(body map[string]any) (operation[addressGroupView], error) {
		addresses, err := prefixBody(body, "addresses", rangeOrAddress)
		return func(_ plugin.Call, u *records.Update, v *addressGroupView) (object, error) {
			return nil, change(u, v.AddressGroup, addresses)
		}, err
	}
}

func addressGroupAttrs() []attr[addressGroupSpec, addressGroupView] {
	type row = attr[addressGroupSpec, addressGroupView]
	table := chosen(common(
		func(s *addressGroupSpec) *model.Meta { return &s.Meta },
		func(v *addressGroupView) *model.Meta { return &v.Meta }), "id", "name", "tenant_id", "project_id", "description", importAttr)
	table = replaced(table, row{
		name: "description", create: true, update: true, standard: "", check: text(1024), filter: byText, sort: true,
		set: func(s *addressGroupSpec, v any) { s.Description = v.(string) },
		get: func(v *addressGroupView) any { return v.Description },
	})
	return append(table, row{
		name: "addresses", create: true, check: prefixList,
		set: func(s *addressGroupSpec, v any) { s.Addresses = v.([]netip.Prefix) },
		get: func(v *addressGroupView) any { return prefixTexts(v.Addresses) },
	}, row{
		name: "shared", unseen: true,
		getFor: func(who identity.Identity, v *addressGroupView) any { return v.With(who.ProjectID) },
	})
}
