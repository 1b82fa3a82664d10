package plugin

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// RouterSpec is a router as a request asks for it.
type RouterSpec struct {
	model.Router
	// GatewayInfo is external_gateway_info; nil for none.
	GatewayInfo *GatewaySpec
	// GatewayPort is the port of an imported router's gateway; nil for a new one.
	GatewayPort *ImportedPort
}

// RouterView is a router as the API shows it.
type RouterView struct {
	*model.Router
	// Status is ACTIVE or ERROR.
	Status string
	// ExternalIPs are the addresses of the gateway.
	ExternalIPs []model.FixedIP
	// Zones are the availability zones of the agents that serve the router.
	Zones   []string
	Helpers []*model.ConntrackHelper
}

// The keys of routers; see the package comment.
func interfaceKey(router, subnet string) string { return interfacePrefix(router) + subnet }
func interfacePrefix(router string) string      { return "rif/" + router + "/" }
func routeUseKey(router, subnet, id string) string {
	return routeUsePrefix(router) + subnet + "/" + id
}
func routeUsePrefix(router string) string     { return "ruse/" + router + "/" }
func externalKey(network, port string) string { return externalPrefix(network) + port }
func externalPrefix(network string) string    { return "ext/" + network + "/" }

// ViewRouter gives a router as the API shows it.
func (p *Plugin) ViewRouter(r records.Reader, router *model.Router) *RouterView {
	v := &RouterView{Router: router, Status: routerStatus(r, router.ID), Zones: zonesOf(r, hostsOfRouter(r, router.ID)), Helpers: slices.Collect(records.ConntrackHelpersByRouter.Get(r, router.ID))}
	if router.Gateway != nil {
		if port, ok := records.Ports.Get(r, router.Gateway.PortID); ok {
			v.ExternalIPs = port.FixedIPs
		}
	}
	return v
}

// CreateRouter makes a router, with a gateway if the request has one.
func (p *Plugin) CreateRouter(c Call, u *records.Update, s *RouterSpec) (string, error) {
	router := s.Router
	p.newMeta(&router.Meta, 1)
	for _, zone := range router.AZHints {
		if !c.Imported() && !p.hasZone(u.Peek(), zone, zoneOfRouters) {
			return "", Refuse(http.StatusNotFound, "AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", zone)
		}
	}
	if err := p.takeQuota(c, u, &router.Meta, QuotaRouter); err != nil {
		return "", err
	}
	if err := p.flavorRouter(c, u, &router); err != nil {
		return "", err
	}
	if !c.Has("ha") {
		router.HA = p.config.L3HA && !router.Distributed
	}
	if err := checkKind(&router); err != nil {
		return "", err
	}
	if router.HA {
		if err := p.makeHA(u, &router); err != nil {
			return "", err
		}
	}
	if s.GatewayInfo != nil {
		s.GatewayInfo.had = s.GatewayPort
		if err := p.changeGateway(c, u, &router, s.GatewayInfo); err != nil {
			return "", err
		}
		p.touch(&router.Meta)
	}
	records.Routers.Put(u, &router)
	return router.ID, nil
}

// UpdateRouter changes a router.
func (p *Plugin) UpdateRouter(c Call, u *records.Update, before *model.Router, s *RouterSpec) error {
	router := s.Router
	addressed := false
	if err := checkKind(&router); err != nil {
		return err
	}
	if router.HA != before.HA {
		if err := p.changeHA(u, before, &router); err != nil {
			return err
		}
	}
	if err := p.changeKind(u, before, &router); err != nil {
		return err
	}
	if c.Has("external_gateway_info") {
		if err := p.changeGateway(c, u, &router, s.GatewayInfo); err != nil {
			return err
		}
		addressed = s.GatewayInfo != nil && len(s.GatewayInfo.Addresses) > 0
	}
	if c.Has("routes") {
		if err := p.checkRoutes(u, &router); err != nil {
			return err
		}
	}
	if addressed || !reflect.DeepEqual(router, *before) {
		p.touch(&router.Meta)
		records.Routers.Put(u, &router)
	}
	return nil
}

// TagRouter replaces a router's tags.
func (p *Plugin) TagRouter(u *records.Update, before *model.Router, tags []string) {
	router := *before
	p.retag(&router.Meta, tags)
	records.Routers.Put(u, &router)
}

// DeleteRouter removes a router without interfaces; its gateway goes with it.
func (p *Plugin) DeleteRouter(u *records.Update, id string) error {
	router, ok := records.Routers.Get(u, id)
	if !ok {
		return NotFound("Router", "Router", id)
	}
	if held(u, interfacePrefix(id)) {
		return Conflict("RouterInUse", "Router %s still has ports", id)
	}
	gone := *router
	if err := p.clearGateway(u, &gone); err != nil {
		return err
	}
	keys := append(quotaKeys(&router.Meta, QuotaRouter), flavorKeys(router)...)
	if router.Gateway != nil {
		keys = append(keys, qosKeys(router.Gateway.QoSPolicyID, qosOfRouter, id)...)
	}
	if err := reclaim(u, id, keys, nil); err != nil {
		return err
	}
	for h := range records.ConntrackHelpersByRouter.Get(u, id) {
		records.ConntrackHelpers.Delete(u, h.ID)
	}
	if err := p.clearHA(u, &gone); err != nil {
		return err
	}
	forgetTopologyRouter(u, router)
	u.RequireNoClaims(interfacePrefix(id))
	records.RouterBindings.Delete(u, id)
	records.Routers.Delete(u, id)
	forgetStates(u, model.ObjectRouter, id)
	forgetStates(u, model.ObjectRouterHA, id)
	return nil
}
