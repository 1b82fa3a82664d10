package metadata

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// seedSize is how many random bytes a guest gets, as from Nova.
const seedSize = 512

// Service answers guests from the records.
type Service struct {
	DB     *records.DB
	Plugin *plugin.Plugin
	// Domain completes the names of hosts on networks without a domain.
	Domain string
}

// Answer answers the request of the guest on a port, which a host has passed on.
// A host gets answers for its guests and for those on networks that it serves; of
// others it learns not even that they are there. The error is the store's.
func (s *Service) Answer(ctx context.Context, host, port string, rq Request) (Reply, error) {
	var reply Reply
	err := s.DB.Read(ctx, func(r records.Reader) error {
		g, ok := Gather(r, port, s.Domain)
		if !ok || !concerns(r, host, port) {
			reply = refusal(http.StatusNotFound)
			return nil
		}
		g.Seed = make([]byte, seedSize)
		_, _ = rand.Read(g.Seed) // never fails
		reply = Answer(&g, rq)
		return nil
	})
	if err != nil || reply.Password == "" {
		return reply, err
	}
	_, err = s.DB.Update(ctx, func(u *records.Update) error { return s.Plugin.SetInstancePassword(u, port, reply.Password) })
	refused := (*plugin.Error)(nil)
	if errors.As(err, &refused) { // another one was quicker
		return refusal(refused.Status), nil
	}
	return reply, err
}

// concerns reports whether a host may ask for a port: it is there, or the host
// has a router or a DHCP server on its network. What a guest is told may hold
// passwords, so another guest on the network is no reason.
func concerns(r records.Reader, host, portID string) bool {
	port, ok := records.Ports.Get(r, portID)
	if !ok || host == "" {
		return false
	}
	if port.Host == host {
		return true
	}
	if b, ok := records.DHCPBindings.Get(r, port.NetworkID); ok && slices.ContainsFunc(b.Hosts, func(h model.DHCPHost) bool { return h.Host == host }) {
		return true // a network may have thousands of ports, and a host too
	}
	for p := range records.PortsByNetwork.Get(r, port.NetworkID) {
		// Routers may be on several hosts at once.
		if p.Trusted() && p.Host == host || ofRouter(p) && routerOn(r, p.DeviceID, host) {
			return true
		}
	}
	return false
}

func ofRouter(p *model.Port) bool {
	return len(p.DeviceOwner) > 15 && p.DeviceOwner[:15] == "network:router_"
}

func routerOn(r records.Reader, router, host string) bool {
	b, ok := records.RouterBindings.Get(r, router)
	if !ok {
		return false
	}
	for _, h := range b.Hosts {
		if h.Host == host {
			return true
		}
	}
	return false
}
