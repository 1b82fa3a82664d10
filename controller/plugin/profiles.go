package plugin

import (
	"reflect"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// ProfileView is a service profile as the API shows it.
type ProfileView struct {
	*model.ServiceProfile
	// Flavors are those that have it.
	Flavors []string
}

// ViewProfile gives a service profile as the API shows it.
func (p *Plugin) ViewProfile(r records.Reader, profile *model.ServiceProfile) *ProfileView {
	v := &ProfileView{ServiceProfile: profile}
	for key := range r.ClaimsUnder(profileUsePrefix(profile.ID)) {
		v.Flavors = append(v.Flavors, strings.TrimPrefix(key, profileUsePrefix(profile.ID)))
	}
	return v
}

func profileNotFound(id string) *Error { return NotFound("ServiceProfile", "Service Profile", id) }

// CreateProfile makes a service profile.
func (p *Plugin) CreateProfile(_ Call, u *records.Update, s *ProfileSpec) (string, error) {
	profile := s.ServiceProfile
	p.newMeta(&profile.Meta, 0)
	if profile.Driver == "" && profile.MetaInfo == "" {
		return "", BadRequest("ServiceProfileEmpty", "Service Profile needs either a driver or metainfo.")
	}
	if err := checkDriver(&profile); err != nil {
		return "", err
	}
	records.ServiceProfiles.Put(u, &profile)
	return profile.ID, nil
}

func checkDriver(profile *model.ServiceProfile) error {
	if profile.Driver == "" {
		return nil
	}
	_, err := providerOf(profile.Driver)
	return err
}

// UpdateProfile changes a service profile that no flavor has.
func (p *Plugin) UpdateProfile(_ Call, u *records.Update, before *model.ServiceProfile, s *ProfileSpec) error {
	profile := s.ServiceProfile
	if err := checkDriver(&profile); err != nil {
		return err
	}
	if err := p.freeProfile(u, profile.ID); err != nil {
		return err
	}
	if !reflect.DeepEqual(profile, *before) {
		p.touch(&profile.Meta)
		records.ServiceProfiles.Put(u, &profile)
	}
	return nil
}

// freeProfile refuses to touch a service profile that flavors have.
func (p *Plugin) freeProfile(u *records.Update, id string) error {
	if held(u, profileUsePrefix(id)) {
		return Conflict("ServiceProfileInUse", "Service Profile %s is used by some service instance.", id)
	}
	u.RequireNoClaims(profileUsePrefix(id))
	return nil
}

// DeleteProfile removes a service profile that no flavor has.
func (p *Plugin) DeleteProfile(u *records.Update, id string) error {
	if _, ok := records.ServiceProfiles.Get(u, id); !ok {
		return profileNotFound(id)
	}
	if err := p.freeProfile(u, id); err != nil {
		return err
	}
	records.ServiceProfiles.Delete(u, id)
	return nil
}
