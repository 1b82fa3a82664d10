package shaping

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Apply brings the links of a namespace to what is desired and gives what it
// changed, close to the words of tc(8): nothing when that was so already. One
// link's failure does not stop the others.
func Apply(namespace string, links []Link) (done []string, err error) {
	err = netns.Do(namespace, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		var errs []error
		for _, l := range links {
			a := applier{h: h, link: l}
			if err := a.run(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", l.Name, err))
			}
			done = append(done, a.done...)
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return done, fmt.Errorf("limits in %s: %w", namespace, err)
	}
	return done, nil
}

// applier works on one link.
type applier struct {
	h    *netlink.Handle
	link Link
	done []string
}

// do notes a change that was made.
func (a *applier) do(err error, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	a.done = append(a.done, what)
	return nil
}

func (a *applier) run() error {
	dev, err := a.h.LinkByName(a.link.Name)
	if err != nil {
		return err
	}
	return errors.Join(a.tree(dev, a.link.Out, false), a.arriving(dev))
}

// arriving brings the ifb link and the way there to what is desired.
func (a *applier) arriving(dev netlink.Link) error {
	ifb, err := a.h.LinkByName(a.link.Ifb)
	var missing netlink.LinkNotFoundError
	switch {
	case err != nil && !errors.As(err, &missing):
		return err
	case len(a.link.In.Classes) == 0 && err != nil:
		return nil
	case len(a.link.In.Classes) == 0:
		return a.dismantle(dev, ifb)
	case err != nil:
		if ifb, err = a.makeIfb(); err != nil {
			return err
		}
	}
	if ifb.Attrs().OperState == netlink.OperDown {
		if err := a.do(a.h.LinkSetUp(ifb), "link set %s up", a.link.Ifb); err != nil {
			return err
		}
	}
	if err := a.tree(ifb, a.link.In, true); err != nil {
		return err
	}
	has, err := a.hasIngress(dev)
	if err != nil {
		return err
	}
	if !has {
		q := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_INGRESS, Handle: netlink.MakeHandle(0xffff, 0)}}
		if err := a.do(a.h.QdiscAdd(q), "qdisc add dev %s ingress", a.link.Name); err != nil {
			return err
		}
	}
	want := a.link.In.filters(true)
	for i := range want {
		if want[i].class != 0 {
			want[i].redirect = ifb.Attrs().Index
		}
	}
	surplus, err := a.addFilters(dev, netlink.MakeHandle(0xffff, 0), want)
	return errors.Join(err, a.deleteFilters(dev, surplus))
}

// dismantle removes the way to the ifb link, and then the link.
func (a *applier) dismantle(dev, ifb netlink.Link) error {
	if has, err := a.hasIngress(dev); err != nil || has {
		q := &netlink.Ingress{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_INGRESS}}
		if err := errors.Join(err, a.do(a.h.QdiscDel(q), "qdisc del dev %s ingress", a.link.Name)); err != nil {
			return err
		}
	}
	return a.do(a.h.LinkDel(ifb), "link del %s", a.link.Ifb)
}

func (a *applier) makeIfb() (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.TxQLen, attrs.Alias = a.link.Ifb, 1000, a.link.Owner
	l := &netlink.Ifb{LinkAttrs: attrs}
	if err := a.do(a.h.LinkAdd(l), "link add %s type ifb", a.link.Ifb); err != nil {
		return nil, err
	}
	made, err := a.h.LinkByName(a.link.Ifb)
	if err == nil {
		err = a.h.LinkSetAlias(made, a.link.Owner)
	}
	return made, err
}

func (a *applier) hasIngress(dev netlink.Link) (bool, error) {
	all, err := a.h.QdiscList(dev)
	return slices.ContainsFunc(all, func(q netlink.Qdisc) bool { return q.Attrs().Parent == netlink.HANDLE_INGRESS }), err
}

// tree brings the htb qdisc of a device, with its classes and filters, to what
// is desired.
func (a *applier) tree(dev netlink.Link, d Direction, arriving bool) error {
	name := dev.Attrs().Name
	all, err := a.h.QdiscList(dev)
	if err != nil {
		return fmt.Errorf("list qdiscs: %w", err)
	}
	ours := false
	leaves := map[uint32]bool{}
	for _, q := range all {
		leaves[q.Attrs().Parent] = q.Type() == "bfifo"
		if q.Attrs().Parent != netlink.HANDLE_ROOT {
			continue
		}
		ours = q.Type() == "htb" && q.Attrs().Handle == rootHandle
		// What the kernel puts there by itself has no handle.
		if !ours && q.Attrs().Handle != 0 && len(d.Classes) > 0 {
			return fmt.Errorf("root qdisc %s %x: is somebody else's", q.Type(), q.Attrs().Handle>>16)
		}
	}
	root := netlink.NewHtb(netlink.QdiscAttrs{LinkIndex: dev.Attrs().Index, Parent: netlink.HANDLE_ROOT, Handle: rootHandle})
	switch {
	case len(d.Classes) == 0 && !ours:
		return nil
	case len(d.Classes) == 0:
		return a.do(a.h.QdiscDel(root), "qdisc del dev %s root", name)
	case !ours:
		if err := a.do(a.h.QdiscAdd(root), "qdisc add dev %s root handle %x: htb", name, rootMajor); err != nil {
			return err
		}
	}
	gone, err := a.addClasses(dev, d, leaves)
	if err != nil {
		return err
	}
	surplus, err := a.addFilters(dev, rootHandle, d.filters(arriving))
	if err := errors.Join(err, a.deleteFilters(dev, surplus)); err != nil {
		return err
	}
	for _, c := range gone {
		if err := a.do(a.h.ClassDel(c), "class del dev %s classid %x:%x", name, rootMajor, c.Attrs().Handle&0xffff); err != nil {
			return err
		}
	}
	return nil
}

// addClasses makes and changes classes, and gives those that are not desired.
func (a *applier) addClasses(dev netlink.Link, d Direction, leaves map[uint32]bool) ([]netlink.Class, error) {
	index, name := dev.Attrs().Index, dev.Attrs().Name
	list, err := a.h.ClassList(dev, netlink.HANDLE_NONE)
	if err != nil {
		return nil, fmt.Errorf("list classes: %w", err)
	}
	have := map[uint32]*netlink.HtbClass{}
	for _, c := range list {
		if htb, ok := c.(*netlink.HtbClass); ok && c.Attrs().Handle>>16 == rootMajor {
			have[c.Attrs().Handle] = htb
		}
	}
	for _, c := range d.Classes {
		htb := c.htb(index)
		is := have[htb.Handle]
		delete(have, htb.Handle)
		if is != nil && same(is, htb) && leaves[htb.Handle] {
			continue
		}
		// The queue follows from the class, so a class that is as desired has the
		// queue that is: an existing one gets it first.
		if is != nil {
			err = a.leaf(index, c)
		}
		if err == nil {
			err = a.do(a.h.ClassReplace(htb), "class replace dev %s classid %x:%x htb rate %dbit burst %d", name, rootMajor, c.Minor, c.Rate, c.burst())
		}
		if err == nil && is == nil {
			err = a.leaf(index, c)
		}
		if err != nil {
			return nil, err
		}
	}
	var gone []netlink.Class
	for _, handle := range slices.Sorted(maps.Keys(have)) {
		gone = append(gone, have[handle])
	}
	return gone, nil
}

// leaf gives a class its queue, a bfifo with a limit in bytes, which the
// library does not know (struct tc_fifo_qopt of linux/pkt_sched.h).
func (a *applier) leaf(link int, c Class) error {
	req := nl.NewNetlinkRequest(unix.RTM_NEWQDISC, unix.NLM_F_CREATE|unix.NLM_F_REPLACE|unix.NLM_F_ACK)
	req.AddData(&nl.TcMsg{Family: nl.FAMILY_ALL, Ifindex: int32(link), Parent: rootHandle | uint32(c.Minor)})
	req.AddData(nl.NewRtAttr(nl.TCA_KIND, nl.ZeroTerminated("bfifo")))
	req.AddData(nl.NewRtAttr(nl.TCA_OPTIONS, nl.Uint32Attr(c.queue())))
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("queue of class %x:%x: %w", rootMajor, c.Minor, err)
	}
	return nil
}

// addFilters adds what is missing below a qdisc and gives what is not desired.
func (a *applier) addFilters(dev netlink.Link, parent uint32, want []filter) ([]netlink.Filter, error) {
	list, err := a.h.FilterList(dev, parent)
	if err != nil {
		return nil, fmt.Errorf("list filters: %w", err)
	}
	have := map[string]netlink.Filter{}
	var surplus []netlink.Filter
	for _, f := range list {
		u, ok := f.(*netlink.U32)
		if !ok || u.Sel == nil {
			continue // somebody else's
		}
		key := filter{
			prio: u.Priority, protocol: u.Protocol, keys: keysOf(u.Sel.Keys),
			class: uint16(u.ClassId), redirect: u.RedirIndex,
		}.key()
		if have[key] != nil {
			surplus = append(surplus, u)
			continue
		}
		have[key] = u
	}
	for _, f := range want {
		if have[f.key()] != nil {
			delete(have, f.key())
			continue
		}
		attrs := netlink.FilterAttrs{LinkIndex: dev.Attrs().Index, Parent: parent, Priority: f.prio, Protocol: f.protocol}
		u := &netlink.U32{
			FilterAttrs: attrs, ClassId: rootHandle | uint32(f.class), RedirIndex: f.redirect,
			Sel: &nl.TcU32Sel{Flags: nl.TC_U32_TERMINAL, Nkeys: uint8(len(f.sel)), Keys: f.sel},
		}
		if err := a.do(a.h.FilterAdd(u), "filter add dev %s parent %x: prio %d %sflowid %x:%x", dev.Attrs().Name, parent>>16, f.prio, f.keys, rootMajor, f.class); err != nil {
			return nil, err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		surplus = append(surplus, have[key])
	}
	return surplus, nil
}

func (a *applier) deleteFilters(dev netlink.Link, list []netlink.Filter) error {
	for _, f := range list {
		if err := a.do(a.h.FilterDel(f), "filter del dev %s prio %d handle %x", dev.Attrs().Name, f.Attrs().Priority, f.Attrs().Handle); err != nil {
			return err
		}
	}
	return nil
}
