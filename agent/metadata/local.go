package metadata

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/agent/metadata/proxy"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
	"github.com/lepton-sdn/lepton/linux/sysctl"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/rpc"
)

// This file: metadata.mode local. The proxy has a port of its own on br-int, in a
// namespace of its own, to which the pipeline sends what the host's guests ask,
// with addresses that stand for them (pipeline.MetadataAliases).

// LocalLink is the proxy's port on the integration bridge.
const LocalLink = "lepton-md"

// localScope is the name of the scope, and of the namespace.
const localScope = "lepton-metadata"

// localKey is the external_id of an interface that says what it is.
const localKey = "lepton-metadata"

// peers are the addresses at the other end of the link, behind which the guests
// are; nobody has them.
var (
	peer4 = netip.MustParseAddr("169.254.169.253")
	peer6 = netip.MustParseAddr("fe80::a9fe:a9fd")
)

// Delays of the work on the link.
const (
	localTimeout = 25 * time.Second
	localRetry   = time.Second
	localAudit   = time.Minute
)

// Database is Open vSwitch's configuration database (*ovsdb.Client).
type Database interface {
	internalport.Database
	Watch() *ovsdb.Watcher
}

// local describes where the host's own guests ask: every plugged port that is
// bound here, by its aliases.
func (l *Loop) local() proxy.Scope {
	s := proxy.Scope{
		Namespaces: localSpaces(l.cfg.Host), Owner: l.cfg.Owner, Port: directPort, Addresses: serviceAddresses(),
	}
	plugged := map[string]*model.Port{}
	ofports := map[string]uint32{}
	for _, i := range l.cfg.DB.State().Interfaces {
		id := i.ExternalIDs["iface-id"]
		p, ok := l.view.state.Get(rpc.Ref{Kind: rpc.KindPort, ID: id}).(*model.Port)
		if ok && i.OFPort > 0 && p.Host == l.cfg.Host && !p.Trusted() {
			plugged[id], ofports[id] = p, uint32(i.OFPort)
		}
	}
	n := proxy.Network{ID: "local", Ports: []proxy.Port{}}
	for _, p := range sorted(plugged) {
		for _, a := range pipeline.MetadataAliases(p, ofports[p.ID]) {
			n.Ports = append(n.Ports, proxy.Port{
				ID: p.ID, Instance: p.DeviceID, Project: p.ProjectID, Addresses: []netip.Addr{a.Alias}, Source: a.Address,
			})
		}
	}
	s.Networks = []proxy.Network{n}
	return s
}

// keepLink keeps the proxy's port and its namespace as they should be, until ctx
// is done. What is wrong is told to failed.
func (l *Loop) keepLink(ctx context.Context, failed func(string)) {
	watch := l.cfg.DB.Watch()
	defer watch.Close()
	told, known, look, audited := "", false, false, false
	for {
		began := time.Now()
		attempt, cancel := context.WithTimeout(ctx, localTimeout)
		err := l.bringLink(attempt, known && look)
		cancel()
		if ctx.Err() == nil {
			l.cfg.LinkLoop.Done(began, err)
		}
		if known = known || err == nil; audited {
			l.linkAudits.Done()
		}
		look, audited = false, false
		pause := localAudit/2 + rand.N(localAudit)
		text := ""
		if err != nil && ctx.Err() == nil {
			pause, text = localRetry/2+rand.N(localRetry), "its port: "+err.Error()
		}
		if text != told {
			told = text
			failed(text)
		}
		timer := time.NewTimer(pause)
		for again := false; !again; {
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
				again, look = true, true
			case <-l.linkAudits.Due():
				again, look, audited = true, true, true
			case <-watch.Changes():
				again = concernsLink(watch.TakeDirty())
			}
		}
		timer.Stop()
	}
}

func concernsLink(d ovsdb.Dirty) bool {
	for _, name := range d.Interfaces {
		if name == LocalLink {
			return true
		}
	}
	return d.Full
}

// bringLink does what the mode allows. With look, what is not as it was made is
// drift; without, a switch that was restarted may have made the link anew.
func (l *Loop) bringLink(ctx context.Context, look bool) error {
	mode := l.cfg.Audit.Mode()
	if look || mode == audit.Hold {
		notes, err := l.inspectLink()
		if err != nil {
			return err
		}
		l.tellLink(notes)
		switch {
		case mode == audit.Hold && len(notes) > 0:
			return heldBack(notes)
		case mode != audit.Repair:
			return nil
		}
	}
	return l.makeLink(ctx)
}

// makeLink brings the port, its link and the namespace to what they should be.
func (l *Loop) makeLink(ctx context.Context) error {
	ns, _, err := netns.EnsureOwn(l.cfg.Owner, localSpaces(l.cfg.Host)...)
	if err != nil {
		return err
	}
	port := ovsdb.EnsurePort{
		Bridge: l.cfg.Bridge, Name: LocalLink, Type: "internal", ExternalIDs: map[string]string{localKey: l.cfg.Host},
	}
	if err := l.cfg.DB.Commit(ctx, port); err != nil {
		return fmt.Errorf("port on %s: %w", l.cfg.Bridge, err)
	}
	// Its link may be in a namespace whose name somebody took away, and which the
	// proxy's sockets keep.
	if _, err := internalport.Fetch(ctx, l.cfg.DB, port, "", ns); err != nil {
		return err
	}
	if _, err := sysctl.Apply(ns, map[string]string{
		"net.ipv4.conf.all.rp_filter": "0", "net.ipv6.conf.all.accept_dad": "0", "net.ipv6.conf." + LocalLink + ".accept_ra": "0",
	}); err != nil {
		return err
	}
	changes, err := links.Apply(ns, localConfig())
	if len(changes) > 0 {
		l.log.Info("metadata port changed", zap.String("namespace", ns), zap.Int("changes", len(changes)))
	}
	return err
}

// localSpaces are the names that the namespace may have: agents of other hosts on
// the machine, as in labs, may have the first.
func localSpaces(host string) []string { return []string{localScope, localScope + "-" + host} }

// localConfig is the link with the service's addresses, and the way to all
// aliases.
func localConfig() links.Config {
	at := func(a netip.Addr, bits int) netip.Prefix { return netip.PrefixFrom(a, bits) }
	peer := pipeline.MetadataPeer
	return links.Config{
		Links: []links.Link{{
			Name: LocalLink, MAC: pipeline.MetadataMAC[:],
			Addresses: []netip.Prefix{at(pipeline.MetadataIPv4, 32), at(pipeline.MetadataIPv6, 64)},
		}},
		Routes: []links.Route{
			{Dst: pipeline.MetadataAliases4, NextHops: []links.NextHop{{Via: peer4, Link: LocalLink, OnLink: true}}},
			{Dst: pipeline.MetadataAliases6, NextHops: []links.NextHop{{Via: peer6, Link: LocalLink}}},
		},
		Neighbours: []links.Neighbour{
			{Link: LocalLink, IP: peer4, MAC: peer[:]}, {Link: LocalLink, IP: peer6, MAC: peer[:]},
		},
	}
}
