package plugin

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// FlavorSpec is a flavor as a request asks for it.
type FlavorSpec struct{ model.Flavor }

// ProfileSpec is a service profile as a request asks for it.
type ProfileSpec struct{ model.ServiceProfile }

// ServiceRouter is the type of service that routers are.
const ServiceRouter = "L3_ROUTER_NAT"

// ServiceTypes are the types of services that flavors can be of, by Neutron's
// names.
func ServiceTypes() []string { return []string{"FLAVORS", "METERING", "QOS", ServiceRouter} }

// Provider is who realises a service.
type Provider struct {
	ServiceType, Name string
	// Driver is what service profiles call it; clients know Neutron's name.
	Driver  string
	Default bool
}

// Names of the providers of routers.
const (
	providerSingle = "single_node"
	providerDVR    = "dvr"
)

// Providers are those that there are: of routers on one node each, and of those
// that are distributed.
func Providers() []Provider {
	return []Provider{
		{
			ServiceType: ServiceRouter, Name: providerSingle, Default: true,
			Driver: "neutron.services.l3_router.service_providers.single_node.SingleNodeDriver",
		},
		{
			ServiceType: ServiceRouter, Name: providerDVR,
			Driver: "neutron.services.l3_router.service_providers.dvr.DvrDriver",
		},
	}
}

func providerOf(driver string) (Provider, error) {
	all := Providers()
	i := slices.IndexFunc(all, func(p Provider) bool { return p.Driver == driver })
	if i < 0 {
		return Provider{}, NotFoundAs("ServiceProfileDriverNotFound", "Service Profile driver %s could not be found.", driver)
	}
	return all[i], nil
}

// The keys of flavors; see the package comment.
func flavorUseKey(flavor, router string) string { return flavorUsePrefix(flavor) + router }
func flavorUsePrefix(flavor string) string      { return "flavoruse/" + flavor + "/" }
func profileUseKey(profile, flavor string) string {
	return profileUsePrefix(profile) + flavor
}
func profileUsePrefix(profile string) string { return "profileuse/" + profile + "/" }

func flavorNotFound(id string) *Error { return NotFound("Flavor", "Flavor", id) }

// CreateFlavor makes a flavor without service profiles: these are associated
// with it one by one.
func (p *Plugin) CreateFlavor(_ Call, u *records.Update, s *FlavorSpec) (string, error) {
	flavor := s.Flavor
	p.newMeta(&flavor.Meta, 0)
	if !slices.Contains(ServiceTypes(), flavor.ServiceType) {
		return "", InvalidServiceType(flavor.ServiceType)
	}
	flavor.ServiceProfiles = nil
	records.Flavors.Put(u, &flavor)
	return flavor.ID, nil
}

// InvalidServiceType is the refusal of a type of service that there is not.
func InvalidServiceType(kind string) *Error {
	return BadRequest("InvalidServiceType", "Invalid service type: %s.", kind)
}

// UpdateFlavor changes a flavor; its service profiles stay.
func (p *Plugin) UpdateFlavor(_ Call, u *records.Update, before *model.Flavor, s *FlavorSpec) error {
	flavor := s.Flavor
	flavor.ServiceProfiles = before.ServiceProfiles
	if !reflect.DeepEqual(flavor, *before) {
		p.touch(&flavor.Meta)
		records.Flavors.Put(u, &flavor)
	}
	return nil
}

// DeleteFlavor removes a flavor that no router is of.
func (p *Plugin) DeleteFlavor(u *records.Update, id string) error {
	flavor, ok := records.Flavors.Get(u, id)
	if !ok {
		return flavorNotFound(id)
	}
	if held(u, flavorUsePrefix(id)) {
		return Conflict("FlavorInUse", "Flavor %s is used by some service instance.", id)
	}
	u.RequireNoClaims(flavorUsePrefix(id))
	for _, profile := range flavor.ServiceProfiles {
		u.Release(profileUseKey(profile, id))
	}
	records.Flavors.Delete(u, id)
	return nil
}

// Associate gives a flavor a service profile.
func (p *Plugin) Associate(u *records.Update, id, profile string) error {
	before, ok := records.Flavors.Get(u, id)
	if !ok {
		return flavorNotFound(id)
	}
	if _, ok := records.ServiceProfiles.Get(u, profile); !ok {
		return profileNotFound(profile)
	}
	if slices.Contains(before.ServiceProfiles, profile) {
		return Conflict("FlavorServiceProfileBindingExists", "Service Profile %s is already associated with flavor %s.", profile, id)
	}
	flavor := *before
	flavor.ServiceProfiles = append(slices.Clone(before.ServiceProfiles), profile)
	records.Flavors.Put(u, &flavor)
	return reclaim(u, id, nil, []string{profileUseKey(profile, id)})
}

// Dissociate takes a service profile from a flavor.
func (p *Plugin) Dissociate(u *records.Update, id, profile string) error {
	before, ok := records.Flavors.Get(u, id)
	if !ok {
		return flavorNotFound(id)
	}
	if !slices.Contains(before.ServiceProfiles, profile) {
		return NotAssociated(id, profile)
	}
	flavor := *before
	flavor.ServiceProfiles = slices.DeleteFunc(slices.Clone(before.ServiceProfiles), func(other string) bool { return other == profile })
	records.Flavors.Put(u, &flavor)
	u.Release(profileUseKey(profile, id))
	return nil
}

// NotAssociated is the refusal of a service profile that a flavor does not have.
func NotAssociated(flavor, profile string) *Error {
	return NotFoundAs("FlavorServiceProfileBindingNotFound", "Service Profile %s is not associated with flavor %s.", profile, flavor)
}

// NextProvider finds who realises a flavor: the provider of its first service
// profile.
func (p *Plugin) NextProvider(r records.Reader, flavor *model.Flavor) (Provider, error) {
	if len(flavor.ServiceProfiles) == 0 {
		return Provider{}, NotAssociated(flavor.ID, "")
	}
	profile, ok := records.ServiceProfiles.Get(r, flavor.ServiceProfiles[0])
	if !ok {
		return Provider{}, profileNotFound(flavor.ServiceProfiles[0])
	}
	if !profile.Enabled {
		return Provider{}, Refuse(http.StatusServiceUnavailable, "ServiceProfileDisabled", "Service Profile %s is not enabled.", profile.ID)
	}
	return providerOf(profile.Driver)
}

// flavorRouter makes a new router one of its flavor.
func (p *Plugin) flavorRouter(c Call, u *records.Update, router *model.Router) error {
	if router.FlavorID == "" {
		return nil
	}
	flavor, ok := records.Flavors.Get(u, router.FlavorID)
	switch {
	case !ok:
		return flavorNotFound(router.FlavorID)
	case flavor.ServiceType != ServiceRouter:
		return InvalidServiceType(flavor.ServiceType)
	case !flavor.Enabled:
		return Refuse(http.StatusServiceUnavailable, "FlavorDisabled", "Flavor %s is not enabled.", flavor.ID)
	}
	provider, err := p.NextProvider(u, flavor)
	if err != nil {
		return err
	}
	distributed := provider.Name == providerDVR
	if c.Has("distributed") && router.Distributed != distributed {
		return InvalidInput("Provider %s does not support distributed=%v", provider.Name, router.Distributed)
	}
	router.Distributed = distributed
	return reclaim(u, router.ID, nil, flavorKeys(router))
}

// flavorKeys is the key that a router holds of its flavor, if it has one.
func flavorKeys(router *model.Router) []string {
	if router.FlavorID == "" {
		return nil
	}
	return []string{flavorUseKey(router.FlavorID, router.ID)}
}
