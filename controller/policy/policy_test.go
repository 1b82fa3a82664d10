package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/test/golden"
)

// people are those whom the table is asked about, as they stand to an object of
// project p1 that is part of one of project p2.
func people() []struct {
	name string
	who  identity.Identity
} {
	return []struct {
		name string
		who  identity.Identity
	}{
		{"admin", identity.WithRoles("u", "ops", []string{"admin"})},
		{"member", identity.WithRoles("u", "p1", []string{"member"})},
		{"reader", identity.WithRoles("u", "p1", []string{"reader"})},
		{"network's-member", identity.WithRoles("u", "p2", []string{"member"})},
		{"network's-reader", identity.WithRoles("u", "p2", []string{"reader"})},
		{"advsvc", identity.WithRoles("u", "p3", []string{"advsvc"})},
		{"integrator", identity.WithRoles("u", "p3", []string{"data_plane_integrator"})},
		{"stranger", identity.WithRoles("u", "p3", []string{"member"})},
		{"without-role", identity.WithRoles("u", "p1", []string{"other"})},
		{"without-project", identity.WithRoles("u", "", []string{"member"})},
	}
}

// objects are the states that rights depend on.
func objects() []struct {
	name   string
	target identity.Target
} {
	plain := identity.Target{ProjectID: "p1", NetworkProjectID: "p2"}
	shared, external := plain, plain
	shared.Shared, external.External = true, true
	return []struct {
		name   string
		target identity.Target
	}{{"", plain}, {"shared", shared}, {"external", external}}
}

// text writes the whole table as who passes each rule; who passes only for a
// shared or an external object stands behind these words.
func text(resources []Resource) string {
	var b strings.Builder
	line := func(name string, allows func(identity.Identity, identity.Target) bool) {
		_, _ = fmt.Fprintf(&b, "%-55s", name)
		plain := map[string]bool{}
		for _, o := range objects() {
			label := o.name
			for _, p := range people() {
				if !allows(p.who, o.target) || plain[p.name] {
					continue
				}
				if o.name == "" {
					plain[p.name] = true
				} else if label != "" {
					_, _ = fmt.Fprintf(&b, " | when %s:", label)
					label = ""
				}
				b.WriteString(" " + p.name)
			}
		}
		b.WriteString("\n")
	}
	object := func(name string, rule identity.Rule) {
		if rule != nil {
			line(name, func(id identity.Identity, t identity.Target) bool { return May(rule, id, t) })
		}
	}
	attribute := func(name string, rule identity.Rule, value any) {
		if rule != nil {
			line(name, func(id identity.Identity, t identity.Target) bool {
				t.Value = value
				return MayAttribute(rule, id, t)
			})
		}
	}
	for _, p := range resources {
		object("get_"+p.Name, p.Get)
		object("create_"+p.Name, p.Create)
		object("update_"+p.Name, p.Update)
		object("delete_"+p.Name, p.Delete)
		for _, a := range p.Attributes {
			name := p.Name + ":" + a.Name
			value := map[string]any{"device_owner": "network:dhcp", "target_tenant": "*"}[a.Name]
			attribute("get_"+name, a.Read, value)
			attribute("create_"+name, a.Create, value)
			attribute("update_"+name, a.Update, value)
		}
		for _, a := range p.Actions {
			object(a.Name, a.Rule)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestTheTableOfRights(t *testing.T) {
	const path = "testdata/rights.txt"
	got := text(All())
	golden.Text(t, path, got)
}

func TestNobodyButAdministratorsPassesARuleThatIsMissing(t *testing.T) {
	for _, p := range people() {
		target := identity.Target{ProjectID: "p1", NetworkProjectID: "p2", Shared: true, External: true}
		if May(Of("no such thing").Get, p.who, target) != p.who.Admin {
			t.Errorf("%s", p.name)
		}
	}
}

func TestEveryRowIsThereOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All() {
		if seen[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[p.Name] = true
		attributes := map[string]bool{}
		for _, a := range p.Attributes {
			if attributes[a.Name] || a.Create == nil && a.Update == nil && a.Read == nil {
				t.Errorf("%s: attribute %s is there twice, or says nothing", p.Name, a.Name)
			}
			attributes[a.Name] = true
		}
	}
}

func TestNobodyWithoutRightsGetsAnyByAValue(t *testing.T) {
	port := Of("port")
	id := identity.WithRoles("u", "p1", []string{"member"})
	for value, want := range map[string]bool{"": true, "compute:nova": true, "network:dhcp": false, "network:": false} {
		target := identity.Target{ProjectID: "p1", NetworkProjectID: "p2", Value: value}
		if got := MayAttribute(port.Attribute("device_owner").Update, id, target); got != want {
			t.Errorf("a member who sets device_owner %q: %t, want %t", value, got, want)
		}
	}
	for value, want := range map[string]bool{"p9": true, "*": false} {
		target := identity.Target{ProjectID: "p1", Value: value}
		if got := MayAttribute(Of("rbac_policy").Attribute("target_tenant").Create, id, target); got != want {
			t.Errorf("a member who shares with %q: %t, want %t", value, got, want)
		}
	}
}
