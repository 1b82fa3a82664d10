package plugin

import (
	"net/netip"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// maxRoutes is how many extra routes a router may have.
const maxRoutes = 30

// checkRoutes refuses routes whose next hop the router cannot reach, or is.
func (p *Plugin) checkRoutes(u *records.Update, router *model.Router) error {
	if len(router.Routes) > maxRoutes {
		return BadRequest("RoutesExhausted", "Unable to complete operation for %s. The number of routes exceeds the maximum %d.", router.ID, maxRoutes)
	}
	if len(router.Routes) == 0 {
		return nil
	}
	var own []netip.Addr
	for _, port := range routerPorts(u, router) {
		for _, f := range port.FixedIPs {
			own = append(own, f.IP)
		}
	}
	subnets := routerSubnets(u, router)
	for _, route := range router.Routes {
		switch {
		case !slices.ContainsFunc(subnets, func(s *model.Subnet) bool { return s.CIDR.Contains(route.NextHop) }):
			return invalidRoute(route, "the nexthop is not connected with router")
		case slices.Contains(own, route.NextHop):
			return invalidRoute(route, "the nexthop is used by router")
		}
	}
	return nil
}

func invalidRoute(r model.HostRoute, reason string) *Error {
	return BadRequest("InvalidRoutes", "Invalid format for routes: destination %s nexthop %s, %s", r.Destination, r.NextHop, reason)
}

// AddRoutes adds extra routes to a router; those that it has already stay.
func (p *Plugin) AddRoutes(u *records.Update, id string, routes []model.HostRoute) error {
	return p.changeRoutes(u, id, func(have []model.HostRoute) []model.HostRoute {
		for _, r := range routes {
			if !slices.Contains(have, r) {
				have = append(have, r)
			}
		}
		return have
	})
}

// RemoveRoutes takes extra routes from a router; those that it does not have do
// not matter.
func (p *Plugin) RemoveRoutes(u *records.Update, id string, routes []model.HostRoute) error {
	return p.changeRoutes(u, id, func(have []model.HostRoute) []model.HostRoute {
		return slices.DeleteFunc(have, func(r model.HostRoute) bool { return slices.Contains(routes, r) })
	})
}

func (p *Plugin) changeRoutes(u *records.Update, id string, change func([]model.HostRoute) []model.HostRoute) error {
	before, ok := records.Routers.Get(u, id)
	if !ok {
		return NotFound("Router", "Router", id)
	}
	router := *before
	router.Routes = change(slices.Clone(before.Routes))
	if slices.Equal(router.Routes, before.Routes) {
		return nil
	}
	if len(router.Routes) > len(before.Routes) {
		if err := p.checkRoutes(u, &router); err != nil {
			return err
		}
	}
	p.touch(&router.Meta)
	records.Routers.Put(u, &router)
	return nil
}
