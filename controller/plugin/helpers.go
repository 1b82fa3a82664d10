package plugin

import (
	"reflect"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// HelperSpec is a conntrack helper as a request asks for it.
type HelperSpec struct{ model.ConntrackHelper }

// HelperView is a conntrack helper as the API shows it.
type HelperView struct{ *model.ConntrackHelper }

// helperProtocols gives the protocols that each conntrack helper may be used
// with, as Neutron allows them by default.
func helperProtocols() map[string][]string {
	return map[string][]string{
		"amanda": {"tcp"}, "ftp": {"tcp"}, "h323": {"tcp", "udp"}, "irc": {"tcp"}, "netbios-ns": {"udp"}, "pptp": {"tcp"},
		"sane": {"tcp"}, "sip": {"tcp", "udp"}, "snmp": {"udp"}, "tftp": {"udp"},
	}
}

// checkHelper refuses helpers that there are none of, and a second of one kind.
func checkHelper(u *records.Update, h *model.ConntrackHelper) error {
	protocols, ok := helperProtocols()[h.Helper]
	if !ok {
		return BadRequest("ConntrackHelperNotAllowed", "Conntrack helper %s is not allowed.", h.Helper)
	}
	if !slices.Contains(protocols, h.Protocol) {
		return BadRequest("InvalidProtocolForHelper", "Conntrack helper %s can't be used with protocol %s; it can with %s.", h.Helper, h.Protocol, strings.Join(protocols, ", "))
	}
	for other := range records.ConntrackHelpersByRouter.Get(u, h.RouterID) {
		if other.ID != h.ID && other.Protocol == h.Protocol && other.Port == h.Port && other.Helper == h.Helper {
			return BadRequest("BadRequest", "Bad conntrack_helper request: A duplicate conntrack helper entry with same attributes already exists, conflicting values are %s, %s and %d.",
				h.Helper, h.Protocol, h.Port)
		}
	}
	return nil
}

// CreateHelper adds a conntrack helper to a router.
func (p *Plugin) CreateHelper(_ Call, u *records.Update, s *HelperSpec) (string, error) {
	h := s.ConntrackHelper
	router, ok := records.Routers.Get(u, h.RouterID)
	if !ok {
		return "", NotFound("Router", "Router", h.RouterID)
	}
	h.ProjectID = router.ProjectID
	p.newMeta(&h.Meta, 0)
	if err := checkHelper(u, &h); err != nil {
		return "", err
	}
	records.ConntrackHelpers.Put(u, &h)
	p.touchRouter(u, router)
	return h.ID, nil
}

// touchRouter counts a change of what is part of a router as one of the router,
// and makes concurrent ones exclude each other.
func (p *Plugin) touchRouter(u *records.Update, router *model.Router) {
	changed := *router
	p.touch(&changed.Meta)
	records.Routers.Put(u, &changed)
}

// UpdateHelper changes a conntrack helper.
func (p *Plugin) UpdateHelper(_ Call, u *records.Update, before *model.ConntrackHelper, s *HelperSpec) error {
	h := s.ConntrackHelper
	router, ok := records.Routers.Get(u, h.RouterID)
	if !ok {
		return NotFound("Router", "Router", h.RouterID)
	}
	if err := checkHelper(u, &h); err != nil {
		return err
	}
	if !reflect.DeepEqual(h, *before) {
		p.touch(&h.Meta)
		records.ConntrackHelpers.Put(u, &h)
		p.touchRouter(u, router)
	}
	return nil
}

// DeleteHelper removes a conntrack helper.
func (p *Plugin) DeleteHelper(u *records.Update, id string) error {
	h, ok := records.ConntrackHelpers.Get(u, id)
	if !ok {
		return NotFound("ConntrackHelper", "Conntrack Helper", id)
	}
	records.ConntrackHelpers.Delete(u, id)
	if router, ok := records.Routers.Get(u, h.RouterID); ok {
		p.touchRouter(u, router)
	}
	return nil
}
