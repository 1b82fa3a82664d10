package pipeline

import "github.com/lepton-sdn/lepton/flows"

// unit is a part of the program that is compiled as a whole.
type unit struct {
	list   []placed
	marked bool
}

// placed is a rule and the bridge that it is for.
type placed struct {
	bridge string
	rule   flows.Rule
}

// compiled is what units are compiled from.
type compiled interface {
	// compile emits the rules.
	compile(e *emitter)
	// content gives the unit that keeps them.
	content() *unit
	// retire takes the object out of the indexes when nothing refers to it any
	// more. It comes after compile.
	retire(s *state)
}

func (u *unit) content() *unit { return u }

// emitter collects the rules of one unit.
type emitter struct {
	*state
	out []placed
}

func (e *emitter) integration(rules ...flows.Rule) {
	e.provider(e.base.config.IntegrationBridge, rules...)
}

func (e *emitter) tunnel(rules ...flows.Rule) { e.provider(e.base.config.TunnelBridge, rules...) }

func (e *emitter) provider(bridge string, rules ...flows.Rule) {
	for _, r := range rules {
		e.out = append(e.out, placed{bridge, r})
	}
}

// take gives what was emitted since the last call.
func (e *emitter) take() []placed {
	out := append([]placed(nil), e.out...)
	e.out = e.out[:0]
	return out
}

// common is the unit of the rules that hold for whole bridges.
type common struct{ unit }

func (c *common) compile(e *emitter) {
	e.integration(classifyBase()...)
	e.integration(identityBase()...)
	e.integration(filterBase()...)
	e.integration(deliveryBase()...)
	e.integration(output.miss())
	e.integration(borderBase()...)
	e.integration(metadataBase(e.base.metadata)...)
	if e.base.patchInt != 0 {
		e.tunnel(tunnelBase(e.base)...)
	}
}

func (c *common) retire(*state) {}

func (p *physical) retire(s *state) {
	if p.facts == (PhysicalBridge{}) {
		delete(s.physical, p.name)
	}
}

func (t *tunnelPort) retire(*state) {}

func (p *port) retire(*state) {}

func (n *network) retire(s *state) {
	if !n.known && len(n.ports) == 0 {
		delete(s.networks, n.id)
	}
}

func (st *station) retire(*state) {
	if len(st.holders) == 0 {
		delete(st.net.stations, st.mac)
	}
}

func (a *addressee) retire(*state) {
	if len(a.holders) == 0 {
		delete(a.net.addressees, a.ip)
	}
}
