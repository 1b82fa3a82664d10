package lab

import (
	"context"
	"slices"
	"time"
)

// Unplug takes a port out of its guest, as Nova and libvirt do when an
// instance goes: the port leaves br-int, then its link goes. A guest without
// NICs is removed. The port's record is left as it is. A guest's name stands
// for its only port.
func (l *Lab) Unplug(ctx context.Context, portOrGuest string) error {
	release, err := l.ledger.hold(false)
	if err != nil {
		return err
	}
	defer release()
	s, err := l.ledger.read()
	if err != nil {
		return err
	}
	g, nic, err := s.nic(portOrGuest)
	if err != nil {
		return err
	}
	return l.unplug(ctx, g, nic)
}

// unplugAll takes back what a failed Plug has made.
func (l *Lab) unplugAll(ctx context.Context, vifs []*vif) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return l.eachVIF(vifs, func(v *vif) error {
		s, err := l.ledger.read()
		if err != nil {
			return err
		}
		g, nic, err := s.nic(v.nic.Port)
		if err != nil {
			return err
		}
		return l.unplug(ctx, g, nic)
	})
}

func (l *Lab) unplug(ctx context.Context, g Guest, nic NIC) error {
	h, err := l.host(g.Host)
	if err != nil {
		return err
	}
	if _, err := l.vsctl(ctx, *h, "--", "--if-exists", "del-port", "br-int", nic.Tap); err != nil {
		return err
	}
	if err := deleteLink(h.Namespace, nic.Tap); err != nil {
		return err
	}
	// Forgetting and removing the namespace are one step, lest another program
	// plugs into the guest between them.
	return l.ledger.update(func(s *State) error {
		s.dropNIC(nic.Port)
		if s.guest(g.Name) != nil {
			return nil
		}
		return deleteNetns(g.Namespace, l.mark)
	})
}

// nic finds a plugged port by its id, or by the name of a guest that has one.
func (s *State) nic(port string) (Guest, NIC, error) {
	for _, g := range s.Guests {
		for _, n := range g.NICs {
			if n.Port == port || (g.Name == port && len(g.NICs) == 1) {
				return g, n, nil
			}
		}
	}
	return Guest{}, NIC{}, fail(ErrNotFound, "port %s is not plugged: leptonctl lab status lists guests and ports", port)
}

// dropNIC forgets a NIC, and its guest with the last one.
func (s *State) dropNIC(port string) {
	for i := range s.Guests {
		g := &s.Guests[i]
		g.NICs = slices.DeleteFunc(g.NICs, func(n NIC) bool { return n.Port == port })
	}
	s.Guests = slices.DeleteFunc(s.Guests, func(g Guest) bool {
		if len(g.NICs) > 0 {
			return false
		}
		s.Namespaces = slices.DeleteFunc(s.Namespaces, func(ns string) bool { return ns == g.Namespace })
		return true
	})
}
