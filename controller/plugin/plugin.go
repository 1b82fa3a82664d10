package plugin

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/pick"
	"github.com/lepton-sdn/lepton/controller/policy"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/controller/segments"
	"github.com/lepton-sdn/lepton/model"
)

// Plugin applies the rules of the resources. It has no state but its
// configuration, and is safe for concurrent use.
type Plugin struct {
	config   Config
	segments *segments.Pools
	baseMAC  model.MAC
	now      func() time.Time
	live     *liveness
	random   pick.Random
	// began is when the plugin was made: the age of what the configuration says.
	began time.Time
	// What may be used is what may be seen, but for networks.
	useNetwork, seeNetwork, seeGroup, seePool, seeScope, seeAddressGroup, seeQoS identity.Rule
}

// New makes a plugin of the configuration. Errors name the key and the value.
func New(c Config) (*Plugin, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	pools, err := segments.New(c.Config)
	if err != nil {
		return nil, err
	}
	mac, err := model.ParseMAC(c.BaseMAC)
	if err != nil {
		return nil, err
	}
	random := c.Random
	if random == nil {
		random = rand.Uint64N
	}
	return &Plugin{
		config: c, segments: pools, baseMAC: mac, now: time.Now, random: random,
		live:       newLiveness(c.agentDownTime()),
		began:      time.Now().UTC().Truncate(time.Second),
		useNetwork: policy.Of("network").Action("use_network"),
		seeNetwork: policy.Of("network").Get, seeGroup: policy.Of("security_group").Get,
		seePool: policy.Of(poolType).Get, seeScope: policy.Of(scopeType).Get, seeAddressGroup: policy.Of(addressGroupType).Get,
		seeQoS: policy.Of("policy").Get,
	}, nil
}

// Call is a request as far as rules depend on it: who sent it, and which
// attributes it has.
type Call struct {
	Who   identity.Identity
	Given map[string]bool
}

// Has tells whether the request has the attribute.
func (c Call) Has(attribute string) bool { return c.Given[attribute] }

// newMeta begins a new object: id, times, and the first revision. What is
// imported has them already.
func (p *Plugin) newMeta(m *model.Meta, revision int64) {
	m.ID = newID(m.ID)
	if m.CreatedAt.IsZero() {
		m.CreatedAt = p.now().UTC().Truncate(time.Second)
	}
	if m.UpdatedAt.IsZero() {
		m.UpdatedAt = m.CreatedAt
	}
	m.Revision = max(m.Revision, revision)
}

// touch marks a change of an object.
func (p *Plugin) touch(m *model.Meta) {
	m.UpdatedAt = p.now().UTC().Truncate(time.Second)
	m.Revision++
}

// The keys that make things unique; see the package comment.
func addressKey(subnet string, a netip.Addr) string { return addressPrefix(subnet) + a.String() }
func addressPrefix(subnet string) string            { return "ip/" + subnet + "/" }
func macKey(network string, m model.MAC) string     { return macPrefix(network) + m.String() }
func macPrefix(network string) string               { return "mac/" + network + "/" }
func groupUseKey(group, port string) string         { return groupUsePrefix(group) + port }
func groupUsePrefix(group string) string            { return "sguse/" + group + "/" }
func groupRemoteKey(group, rule string) string      { return groupRemotePrefix(group) + rule }
func groupRemotePrefix(group string) string         { return "sgremote/" + group + "/" }

const defaultExternalKey = "default-external"

// reclaim replaces the keys that an object holds. Keys that the update has
// already claimed for the object stay. The error is a *records.TakenError.
func reclaim(u *records.Update, owner string, before, after []string) error {
	for _, k := range before {
		if !slices.Contains(after, k) {
			u.Release(k)
		}
	}
	for _, k := range after {
		if have, ok := u.Claimed(k); ok && have == owner {
			continue
		}
		if err := u.Claim(k, owner); err != nil {
			return err
		}
	}
	return nil
}

// renew takes a key that the object has once more, so that an update which
// requires that nothing was claimed meanwhile runs again.
func renew(u *records.Update, key, owner string) {
	if have, ok := u.Claimed(key); ok && have == owner {
		u.Release(key)
		_ = u.Claim(key, owner) // it was ours
	}
}

// held tells whether anything is claimed under the prefix.
func held(r records.Reader, prefix string) bool {
	for range r.ClaimsUnder(prefix) {
		return true
	}
	return false
}

func isTaken(err error) bool {
	taken := (*records.TakenError)(nil)
	return errors.As(err, &taken)
}
