package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// PlugRequest says which port becomes which guest's NIC.
type PlugRequest struct {
	Host string
	Port string // the port's id, or a name that no other port has
	// Guest is the guest's name; it is made if it is not there. Default: the
	// port's name where that can be one, else vm- and the id's beginning.
	Guest string
	// NoAddress leaves the NIC without the port's addresses and routes.
	NoAddress bool
	// Wait returns only when the port is ACTIVE.
	Wait bool
}

// tapName is how Nova and libvirt name a port's link on the host.
func tapName(port string) string { return "tap" + port[:min(11, len(port))] }

// Plug gives a guest a NIC for a port, as Nova and libvirt plug a tap: the
// port is bound to the host and to the instance, and a link on br-int carries
// the port's id and MAC. The guest is made when it is not there.
func (l *Lab) Plug(ctx context.Context, r PlugRequest) (Guest, error) {
	guests, err := l.PlugAll(ctx, []PlugRequest{r})
	if err != nil {
		return Guest{}, err
	}
	return guests[0], nil
}

// PlugAll plugs many ports, those of one host in one transaction. The answer
// has the guests in the order of the requests.
func (l *Lab) PlugAll(ctx context.Context, rs []PlugRequest) ([]Guest, error) {
	release, err := l.ledger.hold(false)
	if err != nil {
		return nil, err
	}
	defer release()
	vifs, err := l.describe(ctx, rs)
	if err != nil {
		return nil, err
	}
	if err := l.note(vifs); err != nil {
		return nil, err
	}
	// Only now: a port that is plugged elsewhere keeps its host.
	err = l.eachVIF(vifs, func(v *vif) error { return l.bind(ctx, v) })
	if err == nil {
		err = l.eachVIF(vifs, l.cable)
	}
	if err == nil {
		err = l.addToSwitches(ctx, vifs)
	}
	if err != nil {
		return nil, errors.Join(err, l.unplugAll(ctx, vifs))
	}
	s, err := l.ledger.read()
	if err != nil {
		return nil, err
	}
	out := make([]Guest, len(vifs))
	for i, v := range vifs {
		if v.req.Wait {
			if err := l.AwaitPort(ctx, v.nic.Port, "ACTIVE"); err != nil {
				return nil, err
			}
		}
		out[i] = *s.guest(v.guest.Name)
	}
	return out, nil
}

// eachVIF runs f for all, several at a time, and gives the first error.
func (l *Lab) eachVIF(vifs []*vif, f func(*vif) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(vifs))
	slots := make(chan struct{}, parallel)
	for i, v := range vifs {
		slots <- struct{}{}
		wg.Add(1)
		go func() {
			defer func() { <-slots; wg.Done() }()
			errs[i] = f(v)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}

// note writes the guests and NICs down before they are made.
func (l *Lab) note(vifs []*vif) error {
	return l.ledger.update(func(s *State) error {
		for _, v := range vifs {
			for _, g := range s.Guests {
				if slices.ContainsFunc(g.NICs, func(n NIC) bool { return n.Port == v.nic.Port }) {
					return fail(ErrExists, "port %s is plugged into guest %s already: leptonctl lab unplug %s takes it out", v.nic.Port, g.Name, v.nic.Port)
				}
			}
			g := s.guest(v.guest.Name)
			v.makesGuest = g == nil
			if v.makesGuest {
				s.Guests = append(s.Guests, v.guest)
				g = &s.Guests[len(s.Guests)-1]
			}
			if g.Host != v.guest.Host {
				return fail(ErrExists, "guest %s is on host %s, not on %s: name another with --guest", g.Name, g.Host, v.guest.Host)
			}
			v.nic.Link = freeLink(g.NICs)
			g.NICs = append(g.NICs, v.nic)
			if !slices.Contains(s.Namespaces, g.Namespace) {
				s.Namespaces = append(s.Namespaces, g.Namespace)
			}
		}
		return nil
	})
}

// freeLink gives the first of eth0, eth1 … that no NIC has.
func freeLink(nics []NIC) string {
	for i := 0; ; i++ {
		name := "eth" + strconv.Itoa(i)
		if !slices.ContainsFunc(nics, func(n NIC) bool { return n.Link == name }) {
			return name
		}
	}
}

// cable makes the guest's namespace and the NIC's link with its addresses.
func (l *Lab) cable(v *vif) error {
	ns := v.guest.Namespace
	if v.makesGuest {
		if _, exists, err := netnsMark(ns); err != nil || exists {
			return errors.Join(err, fail(ErrExists, "network namespace %s belongs to something else: name another with --guest", ns))
		}
		if err := createNetns(ns, l.mark, guestSysctls()); err != nil {
			return err
		}
	}
	err := createVeth(
		end{netns: v.host.Namespace, name: v.nic.Tap, up: true},
		end{netns: ns, name: v.nic.Link, mac: v.mac, up: true}, v.nic.MTU)
	if err != nil {
		return err
	}
	return withLinks(ns, func(h *links) error {
		for _, a := range v.nic.Addresses {
			if err := h.addAddress(v.nic.Link, a); err != nil {
				return err
			}
		}
		for _, r := range v.routes {
			if err := h.addRoute(v.nic.Link, r.dst, r.via); err != nil {
				return err
			}
		}
		if v.nic.Link != "eth0" {
			return nil // one default route a guest, by its first NIC
		}
		for _, gw := range v.gateway {
			if err := h.addRoute(v.nic.Link, netip.PrefixFrom(anyAddress(gw), 0), gw); err != nil {
				return err
			}
		}
		return nil
	})
}

func anyAddress(of netip.Addr) netip.Addr {
	if of.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// addToSwitches adds the links to br-int, one transaction a host, with what
// libvirt writes about an interface of type openvswitch.
func (l *Lab) addToSwitches(ctx context.Context, vifs []*vif) error {
	args := map[*HostPlan][]string{}
	for _, v := range vifs {
		args[v.host] = append(args[v.host],
			"--", "--may-exist", "add-port", "br-int", v.nic.Tap,
			"--", "set", "Interface", v.nic.Tap,
			"external_ids:iface-id="+v.nic.Port,
			`external_ids:attached-mac="`+v.nic.MAC+`"`,
			"external_ids:iface-status=active",
			"external_ids:vm-id="+v.guest.ID)
	}
	for h, a := range args {
		if _, err := l.vsctl(ctx, *h, a...); err != nil {
			return err
		}
	}
	return nil
}

// AwaitPort waits until the API gives the port that status, at most 30 s.
func (l *Lab) AwaitPort(ctx context.Context, port, status string) error {
	const limit = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := ""
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		var answer struct{ Port portRecord }
		err := l.API().Call(ctx, http.MethodGet, "/v2.0/ports/"+port, nil, &answer)
		last = answer.Port.Status
		return last == status, err
	})
	if err != nil {
		return fmt.Errorf("wait for port %s to become %s, it is %q: %w; leptonctl agents tells of problems", port, status, last, err)
	}
	return nil
}

// Guests lists the guests, without a question to anybody.
func (l *Lab) Guests() ([]Guest, error) {
	s, err := l.ledger.read()
	if err != nil {
		return nil, err
	}
	return s.Guests, nil
}

// Guest finds a guest by name.
func (l *Lab) Guest(name string) (Guest, error) {
	s, err := l.ledger.read()
	if err != nil {
		return Guest{}, err
	}
	if g := s.guest(name); g != nil {
		return *g, nil
	}
	return Guest{}, fail(ErrNotFound, "lab %s has no guest %s: leptonctl lab status lists them", l.plan.Lab, name)
}
