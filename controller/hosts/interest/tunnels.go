package interest

import (
	"slices"

	"github.com/lepton-sdn/lepton/model"
)

// This file: between which hosts there are tunnels, and of which types. Every
// host of a cloud may have one to every other, so what is asked for each pair
// must be cheap and must not be made anew.

// tunnelTypes are the types that there are, sorted by name.
var tunnelTypes = [...]model.NetworkType{model.Geneve, model.GRE, model.VXLAN}

// tunnelSet is a set of tunnel types, a bit for each.
type tunnelSet uint8

func tunnelSetOf(types ...model.NetworkType) (s tunnelSet) {
	for _, t := range types {
		if i := slices.Index(tunnelTypes[:], t); i >= 0 {
			s |= 1 << i
		}
	}
	return s
}

// types gives the set's types, sorted.
func (s tunnelSet) types() []model.NetworkType {
	var all []model.NetworkType
	for i, t := range tunnelTypes {
		if s&(1<<i) != 0 {
			all = append(all, t)
		}
	}
	return all
}

// by is the type of the tunnels by which the host reaches others because of the
// topic; empty: by none.
func (t *topic) by(h *host) tunnelSet {
	if !t.tunnels() {
		return 0
	}
	return tunnelSetOf(h.tunnelOn(t.network))
}

// meets reports whether two hosts that need the topic have a tunnel of the type
// because of it.
func (t *topic) meets(h, other *host, by tunnelSet) bool {
	return other != h && other.can&by != 0 && together(t, h, other)
}

// shared gives the tunnel types that the other host can end and that both have
// a network of.
func (h *host) shared(other *host) (all tunnelSet) {
	few, many := h, other
	if len(other.topics) < len(few.topics) {
		few, many = other, h
	}
	for t := range few.topics {
		if t.hosts[many] == 0 {
			continue
		}
		if by := t.by(h); t.meets(h, other, by) {
			all |= by
		}
	}
	return all
}

// peers gives the hosts that one has tunnels with, and their types.
func (h *host) peers() map[*host]tunnelSet {
	all := map[*host]tunnelSet{}
	for t := range h.topics {
		by := t.by(h)
		if by == 0 {
			continue
		}
		for other := range t.hosts {
			if t.meets(h, other, by) {
				all[other] |= by
			}
		}
	}
	return all
}

// end gives the host's tunnel end as it is seen by those who share the types with
// it, nil when there is none. It is made once for all of them.
func (h *host) end(types tunnelSet) *model.Endpoint {
	if types == 0 || !h.endpoint.IP.IsValid() {
		return nil
	}
	if h.ends[types] == nil {
		end := h.endpoint
		end.Types = types.types()
		h.ends[types] = &end
	}
	return h.ends[types]
}
