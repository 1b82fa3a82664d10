package l3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/model"
)

// This file: how the loop follows the parts of this host in ha routers.

// decideHA works out the host's part in an ha router and puts it into in.
func (l *Loop) decideHA(r *router, in *Input) {
	if in.HA == nil {
		r.part, r.decide = nil, time.Time{}
		return
	}
	if r.part == nil {
		r.part = &part{active: wasActive(l.cfg.RunDir, r.ID)}
		r.forwards = r.part.active
	}
	in.HA.Dir = filepath.Join(l.cfg.RunDir, haRoom, r.ID)
	if r.want != nil && r.want.HA != nil && r.want.HA.Link != "" {
		r.part.master = l.isMaster(r.ID, r.want.HA)
	} else if in.HA.Port != nil {
		r.part.master = l.isMaster(r.ID, &HAState{Link: linkName(haPrefix, in.HA.Port.Port.ID), VIP: haVIP(in.HA.VRID)})
	}
	r.part.hear(in.HA.binding)
	was := r.part.active
	r.decide = r.part.step(time.Now(), l.asks)
	in.HA.Weight = r.part.weight(l.asks)
	if in.HA.Active = r.part.active; in.HA.Active {
		r.forwards = true
	}
	if was != in.HA.Active {
		l.cfg.Log.Info("part in ha router", zap.String("router", r.ID), zap.Bool("active", in.HA.Active),
			zap.Bool("master", r.part.master), zap.Bool("granted", r.part.granted))
	}
}

// lookAtController finds out whether there is a controller to ask, which concerns
// all ha routers. It gives when to look again; zero for never.
func (l *Loop) lookAtController(now time.Time) (next time.Time) {
	asks, found := l.cfg.Connected != nil && l.cfg.Connected(), false
	changed := asks != l.asks
	l.asks = asks
	for id, r := range l.keeper.Objects {
		if r.part == nil {
			continue
		}
		found = true
		if changed {
			l.describe(id)
		}
		l.refresh(r, now)
	}
	if !found {
		return time.Time{}
	}
	return now.Add(controllerLook)
}

// haRefresh is how often the host that forwards shows itself on each link. When
// two hosts did, what the switches have learned is put right once they hear each
// other (showSoon); this is for when that news is lost. It is rare, because a host
// that has been away, and does not know, is not to draw the traffic to itself in
// the moment before it gives way.
const haRefresh = 30 * time.Second

func (l *Loop) refresh(r *router, now time.Time) {
	if r.want == nil || r.want.HA == nil || !r.want.HA.Active || !r.Known() || now.Sub(r.refreshed) < haRefresh {
		return
	}
	r.refreshed = now
	for _, link := range r.want.Links.Links {
		if link.Name != r.want.HA.Link && len(link.Addresses) > 0 {
			l.keeper.Go(func() { l.announce(r.ID, link.Name, link.Addresses[0].Addr()) })
		}
	}
}

// controllerLook is how often it is looked whether a controller is there.
const controllerLook = 250 * time.Millisecond

func (l *Loop) isMaster(id string, ha *HAState) bool {
	ns := l.keeper.Namespace(id)
	return ns != "" && haMaster(ns, ha)
}

// reportHA tells the controller of the host's part, as far as that is news.
func (l *Loop) reportHA(r *router) {
	if r.part == nil || r.want == nil {
		return
	}
	if st, ok := r.part.status(r.ID, r.forwards); ok && st != r.saidPart {
		r.saidPart = st
		l.cfg.Controller.ReportObjects(st)
	}
}

// onVRRP looks at a router of which keepalived has news; "" is all of them.
func (l *Loop) onVRRP(id string) {
	for _, r := range l.keeper.Objects {
		if r.part == nil || id != "" && id != r.ID {
			continue
		}
		was := r.part.active
		l.describe(r.ID)
		if was && r.part.active {
			r.showSoon(time.Now())
		}
	}
}

// showSoon has the router show itself on its links, now and a few times more. The
// host forwards and goes on doing so, so the news is that keepalived heard another
// one that thinks the same, which is about to give way.
func (r *router) showSoon(now time.Time) {
	if r.want == nil || r.want.HA == nil || len(r.announce) > 0 {
		return
	}
	for _, link := range r.want.Links.Links {
		if link.Name != r.want.HA.Link && len(link.Addresses) > 0 {
			r.announce = append(r.announce, announcement{link: link.Name, addr: link.Addresses[0].Addr(), at: now})
		}
	}
}

// onRealised notes that the router's links are down.
func (r *router) onRealised(err error) {
	if err == nil && !r.Again() && r.want != nil && r.want.HA != nil && !r.want.HA.Active {
		r.forwards = false
	}
}

// followVRRP sends the ids of the routers of which keepalived has news, until
// ctx is done; "" when it may have missed some.
func followVRRP(ctx context.Context, runDir string, news chan<- string) error {
	dir := filepath.Join(runDir, haRoom, statesDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("states of ha routers: %w", err)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return fmt.Errorf("states of ha routers: inotify: %w", err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	defer f.Close()
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		return fmt.Errorf("states of ha routers: watch %s: %w", dir, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) }) // ends the read
	defer stop()
	buf := make([]byte, 64*(unix.SizeofInotifyEvent+unix.NAME_MAX+1))
	for {
		n, err := f.Read(buf)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, os.ErrClosed) {
				return nil
			}
			return fmt.Errorf("states of ha routers: %w", err)
		}
		for _, id := range inotifyNames(buf[:n]) {
			select {
			case news <- id:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// inotifyNames gives the names of files that events are about; "" for lost ones.
func inotifyNames(b []byte) (names []string) {
	for len(b) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(b[4:])
		size := int(binary.NativeEndian.Uint32(b[12:]))
		end := unix.SizeofInotifyEvent + size
		if end > len(b) {
			return names
		}
		name := b[unix.SizeofInotifyEvent:end]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		if mask&unix.IN_Q_OVERFLOW != 0 || len(name) > 0 {
			names = append(names, string(name))
		}
		b = b[end:]
	}
	return names
}

// haOf gathers what is special about an ha router.
func (v *View) haOf(r *model.Router) *HA {
	if !r.HA {
		return nil
	}
	ha := &HA{VRID: r.VRID}
	b := v.Bindings[r.ID]
	if b == nil || len(b.Hosts) == 0 {
		return ha
	}
	ha.binding, ha.Priority = b.Hosts[0], b.Hosts[0].Priority
	for _, p := range v.Ports {
		if p.DeviceID == r.ID && p.DeviceOwner == ownerHA && p.Host == ha.binding.Host && v.Networks[p.NetworkID] != nil {
			i := v.face(p)
			ha.Port = &i
		}
	}
	return ha
}
