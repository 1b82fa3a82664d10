package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"github.com/lepton-sdn/lepton/lab"
)

// askEvery is how often a client asks that has no offer yet: more often than
// guests do, so that it is not their patience that is measured.
const askEvery = time.Second

// builders is how many networks are made and filled at once.
const builders = 8

// perServed ports are on each network with DHCP.
const perServed = 5

// leases makes networks, creates ports on each, plugs them, and has a client of
// each ask until it is offered its lease. memory, if it is not nil, adds what
// their servers take; without, the hosts are the servers.
func (b *bench) leases(ctx context.Context, networks int, memory func(context.Context, int) error) error {
	var mu sync.Mutex
	var took []time.Duration
	var all []port
	var nets []network
	errs := make([]error, networks)
	var wg sync.WaitGroup
	slots := make(chan struct{}, builders)
	began := time.Now()
	for i := range networks {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			n, ports, waited, err := b.leased(ctx, fmt.Sprintf("dhcp%d", i), perServed)
			mu.Lock()
			defer mu.Unlock()
			errs[i], took, all, nets = err, append(took, waited...), append(all, ports...), append(nets, n)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	total := time.Since(began)
	slices.Sort(took)
	who := "dnsmasq"
	if memory == nil {
		who = "the host"
	}
	b.add(row{
		what: fmt.Sprintf("%d ports on %d networks, from the create of the port and its plug to the offer of its lease by %s", len(all), networks, who),
		figure: fmt.Sprintf("p50 %s, p99 %s, with %d networks being made at any time; %s in all",
			ms(took[len(took)/2]), ms(took[len(took)*99/100]), builders, ms(total)),
		limit: "-", target: "-", ok: true,
	})
	if memory != nil {
		if err := memory(ctx, networks); err != nil {
			return err
		}
	}
	return b.drop(ctx, nets, all)
}

// leased makes a network and ports on it, and gives how long each port took from
// its create to its offer.
func (b *bench) leased(ctx context.Context, name string, each int) (network, []port, []time.Duration, error) {
	n, err := b.network(ctx, name, "10.3.0.0/24", "")
	if err != nil {
		return n, nil, nil, err
	}
	began := time.Now()
	ports, err := b.ports(ctx, n, "hv2", each)
	if err != nil {
		return n, nil, nil, err
	}
	plug, setup := []string{"ovs-vsctl"}, &strings.Builder{}
	for _, p := range ports {
		plug = append(plug, addPort(p, "internal")[1:]...)
		fmt.Fprintf(setup, "link set tap%s address %s up\n", p.ID[:11], p.MACAddress)
	}
	if _, err := b.hv2.Exec(ctx, plug...); err != nil {
		return n, ports, nil, err
	}
	err = b.until(ctx, time.Minute, "links of the ports", func() (bool, error) { return b.batch(ctx, setup.String()) == nil, ctx.Err() })
	if err != nil {
		return n, ports, nil, err
	}
	took, err := b.offers(ctx, ports, began)
	return n, ports, took, err
}

// drop removes what was made.
func (b *bench) drop(ctx context.Context, nets []network, ports []port) error {
	unplug := []string{"ovs-vsctl"}
	for _, p := range ports {
		unplug = append(unplug, "--", "del-port", "br-int", "tap"+p.ID[:11])
	}
	if _, err := b.hv2.Exec(ctx, unplug...); err != nil {
		return err
	}
	if err := b.deletePorts(ctx, ports); err != nil {
		return err
	}
	return b.dropNetworks(ctx, nets)
}

func (b *bench) dropNetworks(ctx context.Context, nets []network) error {
	for _, n := range nets {
		if err := b.lab.API().Call(ctx, "DELETE", "/v2.0/networks/"+n.ID, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// batch carries out many commands of ip(8) on the host.
func (b *bench) batch(ctx context.Context, text string) error {
	dir, err := os.MkdirTemp("", "lepton-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "batch")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	_, err = b.hv2.Exec(ctx, "ip", "-batch", file)
	return err
}

// offers gives how long after began each port was offered its address.
func (b *bench) offers(ctx context.Context, ports []port, began time.Time) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	took := make([]time.Duration, len(ports))
	errs := make([]error, len(ports))
	var wg sync.WaitGroup
	for i, p := range ports {
		var conn net.PacketConn
		err := b.hv2.Inside(func() (err error) {
			// A raw one: the host's own addresses must not be the source.
			conn, err = nclient4.NewRawUDPConn("tap"+p.ID[:11], dhcpv4.ClientPort)
			return err
		})
		if err != nil {
			return nil, err
		}
		wg.Go(func() {
			defer conn.Close()
			errs[i] = offered(ctx, conn, p)
			took[i] = time.Since(began)
		})
	}
	wg.Wait()
	return took, errors.Join(errs...)
}

// offered asks until the port's address is offered.
func offered(ctx context.Context, conn net.PacketConn, p port) error {
	mac, err := net.ParseMAC(p.MACAddress)
	if err != nil {
		return err
	}
	q, err := dhcpv4.NewDiscovery(mac, dhcpv4.WithBroadcast(true))
	if err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for ctx.Err() == nil {
		// Open vSwitch may take the link down for a moment.
		_, _ = conn.WriteTo(q.ToBytes(), &net.UDPAddr{IP: net.IPv4bcast, Port: 67})
		if err := conn.SetReadDeadline(time.Now().Add(askEvery)); err != nil {
			return err
		}
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				break
			}
			m, err := dhcpv4.FromBytes(buf[:n])
			if err == nil && m.TransactionID == q.TransactionID && m.YourIPAddr.String() == p.FixedIPs[0].IP.String() {
				return nil
			}
		}
	}
	return fmt.Errorf("port %s was offered nothing: %w", p.ID, ctx.Err())
}

// serverMemory adds what the networks' servers take on their host.
func (b *bench) serverMemory(ctx context.Context, networks int) error {
	i := slices.IndexFunc(b.lab.Plan().Hosts, func(h lab.HostPlan) bool { return h.Name == "net1" })
	files, err := filepath.Glob(filepath.Join(b.lab.Plan().Hosts[i].Dir, "run", "dhcp", "*", "pid"))
	if err != nil {
		return err
	}
	kib := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		n, err := share(strings.TrimSpace(string(text)))
		if err != nil {
			return err
		}
		kib += n
	}
	if len(files) == 0 {
		return errors.New("no server runs")
	}
	b.add(row{
		what:   fmt.Sprintf("memory of a network's server, at %d networks", networks),
		figure: fmt.Sprintf("%d KiB (proportional set size of dnsmasq)", kib/len(files)), limit: "-", target: "-", ok: true,
	})
	return ctx.Err()
}

var pss = regexp.MustCompile(`(?m)^Pss:\s+(\d+) kB`)

// share is a process's proportional share of memory, in KiB.
func share(pid string) (int, error) {
	text, err := os.ReadFile("/proc/" + pid + "/smaps_rollup")
	if err != nil {
		return 0, err
	}
	m := pss.FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("process %s: no Pss", pid)
	}
	return strconv.Atoi(string(m[1]))
}
