package identity

import (
	"net/http/httptest"
	"testing"
)

func TestWithoutAuthenticationEverybodyIsAdministratorOfTheNamedProject(t *testing.T) {
	for name, c := range map[string]struct {
		header, value, configured, want string
	}{
		"no header gives the default project":     {want: DefaultProject},
		"the configured project is the default":   {configured: "lab", want: "lab"},
		"X-Project-Id names the project":          {header: "X-Project-Id", value: "p1", configured: "lab", want: "p1"},
		"X-Tenant-Id is its older name":           {header: "X-Tenant-Id", value: "p2", want: "p2"},
		"blanks around the value are cut":         {header: "X-Project-Id", value: " p3 ", want: "p3"},
		"an empty header is as good as no header": {header: "X-Project-Id", value: "  ", want: DefaultProject},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/v2.0/networks", nil)
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			id, err := None{Project: c.configured}.Authenticate(r)
			if err != nil || id.ProjectID != c.want || !id.Admin {
				t.Fatalf("got %+v, %v; want an administrator in %q", id, err, c.want)
			}
		})
	}
}

func TestRulesTellAdministratorOwnerAndStranger(t *testing.T) {
	admin := Identity{Admin: true, ProjectID: "ops"}
	owner := Identity{ProjectID: "p1"}
	reader := Identity{ProjectID: "p1", Reader: true}
	stranger := Identity{ProjectID: "p2"}
	nobody := Identity{}
	object := Target{ProjectID: "p1", NetworkProjectID: "p2"}
	for name, c := range map[string]struct {
		rule                                     Rule
		target                                   Target
		admin, owner, reader, stranger, homeless bool
	}{
		"admin":                      {Admin, object, true, false, false, false, false},
		"member":                     {Member, object, false, true, false, false, false},
		"owner":                      {Owner, object, false, true, true, false, false},
		"network owner":              {NetworkOwner, object, false, false, false, true, false},
		"admin or member":            {Any(Admin, Member), object, true, true, false, false, false},
		"shared, of a shared object": {Any(Owner, Shared), Target{ProjectID: "p1", Shared: true}, true, true, true, true, true},
		"external, of a network":     {External, Target{External: true}, true, true, true, true, true},
		"object without a project":   {Any(Owner, Member, NetworkOwner), Target{}, false, false, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := [5]bool{c.rule(admin, c.target), c.rule(owner, c.target), c.rule(reader, c.target), c.rule(stranger, c.target), c.rule(nobody, c.target)}
			if want := [5]bool{c.admin, c.owner, c.reader, c.stranger, c.homeless}; got != want {
				t.Fatalf("admin, owner, reader, stranger, homeless: got %v, want %v", got, want)
			}
		})
	}
}
