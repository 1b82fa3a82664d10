package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/agent/snapshot"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// Object is an API object that a host knows.
type Object struct {
	Kind string `json:"kind"` // as messages call it: "port", "security group rule"
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Text tells more of objects without a name: a rule's content.
	Text string `json:"text,omitempty"`
}

// String is the object for people.
func (o Object) String() string {
	out := o.Kind + " " + o.ID
	if o.Name != "" {
		out += fmt.Sprintf(" %q", o.Name)
	}
	if o.Text != "" {
		out += " (" + o.Text + ")"
	}
	return out
}

// Objects are those of a host, found by what cookies hold of their ids.
type Objects struct {
	byDigits map[string][]Object
	ports    map[string]*model.Port
}

// NoObjects is what is known of a host whose agent has stored nothing.
func NoObjects() *Objects {
	return &Objects{byDigits: map[string][]Object{}, ports: map[string]*model.Port{}}
}

// ReadObjects reads the records that the host's agent has stored.
func ReadObjects(path string) (*Objects, error) {
	u, err := snapshot.Read(path)
	if err != nil {
		return nil, err
	}
	return NewObjects(u), nil
}

// NewObjects indexes records.
func NewObjects(u *rpc.Update) *Objects {
	o := NoObjects()
	for ref, rec := range u.Records() {
		one := Object{Kind: string(ref.Kind), ID: ref.ID}
		switch r := rec.(type) {
		case *model.SecurityGroupRule:
			one.Text = r.Summary()
		case *model.Port:
			o.ports[r.ID] = r
			one.Text = portText(r)
		}
		if m, ok := rec.(interface{ GetMeta() *model.Meta }); ok {
			one.Name = m.GetMeta().Name
		}
		if d := digits(ref.ID); d != "" {
			o.byDigits[d] = append(o.byDigits[d], one)
		}
	}
	for _, same := range o.byDigits {
		slices.SortFunc(same, func(a, b Object) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	}
	return o
}

// digits are what a cookie has of an id, "" of one that has no UUID's form.
func digits(id string) string {
	d := strings.ReplaceAll(id, "-", "")
	if len(d) != 32 {
		return ""
	}
	return d[:12]
}

// kinds are those of the objects that a feature's cookies name, the likeliest
// first.
var kinds = map[pipeline.Feature][]string{
	pipeline.FeatureNetwork:   {"network"},
	pipeline.FeatureProvider:  {"network"},
	pipeline.FeatureTunnel:    {"network"},
	pipeline.FeatureLearned:   {"network"},
	pipeline.FeaturePort:      {"port"},
	pipeline.FeatureIdentity:  {"port"},
	pipeline.FeatureDelivery:  {"port", "endpoint"},
	pipeline.FeatureResponder: {"port", "endpoint"},
	pipeline.FeatureFilter:    {"port"},
	pipeline.FeatureLog:       {"port"},
	pipeline.FeatureAsk:       {"port"},
	pipeline.FeatureGroup:     {"security group"},
	pipeline.FeatureRule:      {"security group rule"},
	pipeline.FeatureMember:    {"port", "endpoint", "address group"},
}

// Owner tells whose a flow with the cookie is, in words.
func (o *Objects) Owner(cookie uint64) string {
	f, d, ours := pipeline.Explain(cookie)
	switch {
	case !ours:
		return "foreign"
	case f == pipeline.FeatureCanary:
		return "pipeline"
	case d == "":
		return f.String()
	}
	have := o.byDigits[d]
	for _, kind := range kinds[f] {
		for _, one := range have {
			switch {
			case one.Kind != kind:
			case strings.HasSuffix(kind, f.String()):
				return one.String()
			default:
				return f.String() + " of " + one.String()
			}
		}
	}
	return f.String() + " of " + d
}

func portText(p *model.Port) string {
	var parts []string
	for _, a := range p.FixedIPs {
		parts = append(parts, a.IP.String())
	}
	if p.DeviceOwner != "" {
		parts = append(parts, p.DeviceOwner)
	}
	return Plain(strings.Join(parts, " "))
}
