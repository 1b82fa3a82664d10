package explain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// World is what explanations are computed from.
type World struct {
	Reader records.Reader
	// Records gives what a host is sent, and what of it the host has not
	// confirmed, "" for nothing that is known.
	Records func(ctx context.Context, host string) (u *rpc.Update, behind string, err error)
	// Now and DownTime tell whether an agent is alive.
	Now      time.Time
	DownTime time.Duration
}

// The bounds of an explanation: routers in one direction, and hosts in both.
const (
	maxRouters = 8
	maxHosts   = 12
)

// ErrTooFar is that the packet would cross more hosts than an explanation looks
// at.
var ErrTooFar = errors.New("the way leads over too many hosts")

// walk is the work on one question.
type walk struct {
	world     World
	r         records.Reader
	q         Question
	answer    *Answer
	nodes     map[string]*node
	routers   map[string]*router
	direction string
	admitted  []string // ids of rules that admitted the packet, in order
	size      int      // of the packet now, or of its largest fragment; 0: unknown
}

// end is where a packet got to.
type end struct {
	head head // as it arrives
	// port is the receiver on host; nil for a machine outside, beyond network,
	// where the packet left by the port exit; or for a router itself.
	port    *model.Port
	host    string
	network *model.Network
	exit    *model.Port
	router  *router
	in      *face
	// own says that the host of the sender, which port is, answers itself.
	own bool
}

// Explain answers a question. from and to are the ports that it names: see
// FindPort; to is nil for an address.
func Explain(ctx context.Context, world World, q Question, from, to *model.Port) (*Answer, error) {
	w := &walk{
		world: world, r: world.Reader, q: q, nodes: map[string]*node{}, routers: map[string]*router{},
		answer: &Answer{Forward: []Step{}, Reply: []Step{}, Pending: []Pending{}, Warnings: []string{}},
	}
	h, err := q.packet(w.r, from, to)
	if err != nil {
		return nil, err
	}
	a := w.answer
	a.From = *w.object(kindPort, from.ID)
	if to != nil {
		a.To = w.object(kindPort, to.ID)
	}
	if q.asksDHCP() {
		a.Packet = w.packet(h)
		return a, w.dhcp(ctx, from, h)
	}
	if !h.src.IsValid() {
		w.direction = "forward"
		w.conclude(w.drop(h, ReasonNoAddress, kindPort, from.ID, from.Host, fmt.Sprintf("%s has no address of the family of %s", w.called(from), h.dst)), end{})
		a.Packet = Packet{DestinationAddress: h.dst.String()}
		return a, nil
	}
	a.Packet = w.packet(h)
	return a, w.both(ctx, from, h)
}

func (w *walk) packet(h head) Packet {
	return Packet{
		Protocol: h.protocol(), SourceAddress: h.src.String(), DestinationAddress: h.dst.String(),
		SourcePort: int(h.sport), DestinationPort: int(h.dport), Size: w.q.Size, DontFragment: w.q.DontFragment,
	}
}

// both follows the packet, and the answer to it.
func (w *walk) both(ctx context.Context, from *model.Port, h head) error {
	w.direction, w.size = "forward", w.q.Size
	there, d, err := w.send(ctx, from, h)
	if err != nil || d != nil {
		w.conclude(d, there)
		return err
	}
	decision := w.passed(there)
	if there.own {
		w.conclude(decision, there)
		return nil
	}
	w.direction = "reply"
	if w.size = 0; h.icmp() {
		w.size = w.q.Size // an echo; how much others answer is not known
	}
	back, d, err := w.reply(ctx, there)
	switch {
	case err != nil:
		return err
	case d == nil && (back.port == nil || back.port.ID != from.ID):
		d = w.drop(there.head.answer(), ReasonUnknown, kindPort, from.ID, "", "the answer does not come back to "+w.called(from))
	case d == nil && (back.head.src != h.dst || back.head.sport != h.dport && h.hasPorts()):
		d = w.drop(back.head, ReasonOtherSource, kindPort, from.ID, "", fmt.Sprintf("the answer comes from %s, and %s waits for one from %s", back.head.src, w.called(from), h.dst))
	}
	if d == nil {
		d = decision
	}
	w.conclude(d, there)
	return nil
}

// passed is what lets the packet through: the rule that admits it to its
// receiver.
func (w *walk) passed(there end) *Decision {
	d := &Decision{Direction: w.direction, Reason: ReasonDelivered, Host: there.host, packet: there.head}
	for _, id := range w.admitted {
		rule, ok := records.SecurityGroupRules.Get(w.r, id)
		if ok && (d.Object == nil || rule.Direction == "ingress" || w.ruleOf(d.Object.ID).Direction == "egress") {
			d.Object = w.object(kindRule, id)
		}
	}
	switch {
	case there.own:
		d.Object = w.object(kindPort, there.port.ID)
		d.Text = "the metadata proxy of the port's own host answers"
	case there.port != nil && there.head.metadata():
		d.Object = w.object(kindNetwork, there.network.ID)
		d.Text = "the metadata proxy of the DHCP servers' host answers"
	case there.router != nil && there.head.metadata():
		d.Object = w.object(kindRouter, there.router.rec.ID)
		d.Text = "the metadata proxy of the router's host answers"
	case d.Object != nil:
		d.Text = d.Object.String() + " admits it"
	case there.port != nil:
		d.Object = w.object(kindPort, there.port.ID)
		d.Text = "nothing filters what is sent to " + d.Object.String()
	case there.router != nil:
		d.Object = w.object(kindRouter, there.router.rec.ID)
		d.Text = d.Object.String() + " answers by itself"
	default:
		d.Object = w.object(kindNetwork, there.network.ID)
		d.Text = "it leaves by " + d.Object.String()
	}
	return d
}

func (w *walk) ruleOf(id string) *model.SecurityGroupRule {
	if r, ok := records.SecurityGroupRules.Get(w.r, id); ok {
		return r
	}
	return &model.SecurityGroupRule{}
}

// conclude writes the verdict.
func (w *walk) conclude(d *Decision, there end) {
	a := w.answer
	if a.Decision = d; d == nil {
		return
	}
	switch {
	case d.Reason != ReasonDelivered:
		a.Verdict = Dropped
	case there.port == nil && there.router == nil:
		a.Verdict = Leaves
	default:
		a.Verdict = Passes
	}
	a.Text = sentence(a.Verdict, d)
	if d.Reason == ReasonSecurityGroup && d.side != "" {
		a.Nearest, a.Advice = w.nearest(d), w.advice(d)
	}
}

// sentence is the verdict for people.
func sentence(v Verdict, d *Decision) string {
	switch {
	case v == Passes:
		return fmt.Sprintf("The packet arrives, and so does the answer: %s.", d.Text)
	case v == Leaves:
		return fmt.Sprintf("The packet leaves the cloud, and an answer would come back: %s.", d.Text)
	case d.Direction == "reply":
		return fmt.Sprintf("The packet arrives, and the answer is dropped: %s.", d.Text)
	}
	return fmt.Sprintf("The packet is dropped: %s.", d.Text)
}

// step adds a stage to the way.
func (w *walk) step(s Step, kind, id string) {
	if s.Objects == nil {
		s.Objects = []Object{}
	}
	if o := w.object(kind, id); o != nil {
		s.Objects = append(s.Objects, *o)
	}
	if w.direction == "reply" {
		w.answer.Reply = append(w.answer.Reply, s)
	} else {
		w.answer.Forward = append(w.answer.Forward, s)
	}
}

// node gives a host's bridges.
func (w *walk) node(ctx context.Context, host string) (*node, error) {
	if n := w.nodes[host]; n != nil {
		return n, nil
	}
	if len(w.nodes) >= maxHosts {
		return nil, ErrTooFar
	}
	u, behind, err := w.world.Records(ctx, host)
	if err != nil {
		return nil, err
	}
	h := Host{Update: u, Behind: behind}
	for a := range records.AgentsByHost.Get(w.r, host) {
		h.Agent = a
	}
	h.Plugged = w.plugged(host, h.Agent)
	w.awaitHost(host, h)
	n := newNode(host, h)
	w.nodes[host] = n
	return n, nil
}

// unknownMAC is the MAC of a machine that the API knows nothing of.
var unknownMAC = model.MAC{0x02, 0, 0, 0, 0, 1}

// send follows what a port sends.
func (w *walk) send(ctx context.Context, from *model.Port, h head) (end, *Decision, error) {
	w.awaitPort(from)
	if d := w.unready(h, from, from.Host); d != nil {
		w.step(Step{Kind: "sender", Host: from.Host, Text: d.Text, Packet: h.String()}, kindPort, from.ID)
		return end{}, d, nil
	}
	network, ok := records.Networks.Get(w.r, from.NetworkID)
	if !ok {
		return end{}, w.drop(h, ReasonUnknown, kindPort, from.ID, from.Host, "the port has no network"), nil
	}
	if h.metadata() && w.asksItsHost(from, h) {
		return w.ownMetadata(ctx, from, network, h)
	}
	via, text, d := w.guestRoute(from, h)
	if d == nil {
		var more string
		if more, d = w.fits(from, network, h); more != "" {
			text += ", " + more
		}
	}
	w.step(Step{Kind: "sender", Host: from.Host, Text: text, Packet: h.String()}, kindPort, from.ID)
	if d != nil {
		return end{}, d, nil
	}
	c := crossing{network: network, head: h, src: from.MAC, from: from, host: from.Host}
	return w.onward(ctx, c, via)
}

// guestRoute is what a guest does that has its subnet's settings: it sends to
// neighbours itself, else by the subnet's host routes and its gateway.
func (w *walk) guestRoute(p *model.Port, h head) (via netip.Addr, text string, d *Decision) {
	var subnet *model.Subnet
	for _, f := range p.FixedIPs {
		s, ok := records.Subnets.Get(w.r, f.SubnetID)
		if ok && (f.IP == h.src || subnet == nil && f.IP.Is6() == h.v6()) { // one that forwards has its own way
			subnet = s
		}
	}
	name := w.called(p)
	if h.metadata() {
		return w.metadataRoute(p, h)
	}
	switch {
	case h.dst.IsLinkLocalUnicast():
		return h.dst, fmt.Sprintf("%s sends to %s on its link", name, h.dst), nil
	case subnet == nil:
		return h.dst, fmt.Sprintf("%s sends to %s", name, h.dst), nil
	case subnet.CIDR.Contains(h.dst):
		return h.dst, fmt.Sprintf("%s sends to its neighbour %s", name, h.dst), nil
	}
	best := -1
	for i, r := range subnet.HostRoutes {
		if r.Destination.Contains(h.dst) && (best < 0 || r.Destination.Bits() > subnet.HostRoutes[best].Destination.Bits()) {
			best = i
		}
	}
	if best >= 0 {
		r := subnet.HostRoutes[best]
		return r.NextHop, fmt.Sprintf("%s sends to %s by the host route of its subnet to %s", name, r.NextHop, r.Destination), nil
	}
	if !subnet.Gateway.IsValid() {
		text = fmt.Sprintf("%s has no gateway_ip and no host route to %s", w.object(kindSubnet, subnet.ID), h.dst)
		return via, text, w.drop(h, ReasonNoGateway, kindSubnet, subnet.ID, p.Host, text)
	}
	return subnet.Gateway, fmt.Sprintf("%s sends to its gateway %s", name, subnet.Gateway), nil
}

// onward follows a packet to the next hop, and over the routers from there.
func (w *walk) onward(ctx context.Context, c crossing, via netip.Addr) (end, *Decision, error) {
	for range maxRouters {
		to, d, err := w.resolve(ctx, c, via)
		if err != nil || d != nil {
			return end{}, d, err
		}
		c.to = to
		e, next, d, err := w.hop(ctx, c, via)
		if err != nil || d != nil || next == nil {
			return e, d, err
		}
		c, via = next.crossing, next.via
		if next.home {
			c.to = station{mac: model.PortMAC(c.from.Host, c.from.MAC), port: c.from, host: c.from.Host}
			if e, next, d, err = w.hop(ctx, c, netip.Addr{}); err != nil || d != nil || next == nil {
				return e, d, err
			}
			c, via = next.crossing, next.via
		}
	}
	return end{}, w.drop(c.head, ReasonLoop, kindNetwork, c.network.ID, c.host, fmt.Sprintf("it crosses more than %d routers", maxRouters)), nil
}

// onwards is a packet that leaves a router.
type onwards struct {
	crossing crossing
	via      netip.Addr
	home     bool // to the home of the distributed router that it leaves
}

// hop takes the packet over one network, and through the router if it comes to
// one.
func (w *walk) hop(ctx context.Context, c crossing, via netip.Addr) (end, *onwards, *Decision, error) {
	if err := w.resolution(ctx, c, via); err != nil {
		return end{}, nil, nil, err
	}
	got, err := w.cross(ctx, c)
	switch {
	case err != nil:
		return end{}, nil, nil, err
	case got.drop != nil:
		return end{}, nil, got.drop, nil
	case got.outside:
		return end{head: c.head, network: c.network, exit: c.from, host: c.host}, nil, nil, nil
	}
	rec := w.routerOf(c.to.port)
	if rec == nil {
		w.awaitPort(c.to.port)
		if c.head.metadata() && c.to.port.DeviceOwner == ownerDHCP {
			if d := w.metadataService(c, got.host); d != nil {
				return end{}, nil, d, nil
			}
		}
		return end{head: c.head, port: c.to.port, host: got.host, network: c.network}, nil, nil, nil
	}
	return w.through(rec, got.host, c)
}

// through takes the packet through a router.
func (w *walk) through(rec *model.Router, host string, c crossing) (end, *onwards, *Decision, error) {
	r := w.routerOn(rec, host)
	o := w.object(kindRouter, rec.ID)
	in := r.faceOf(c.to.port.ID)
	switch {
	case !rec.AdminStateUp:
		return end{}, nil, w.drop(c.head, ReasonRouterDown, kindRouter, rec.ID, host, o.String()+" is down (admin_state_up is false)"), nil
	case in == nil:
		return end{}, nil, w.drop(c.head, ReasonNoRoute, kindRouter, rec.ID, host, o.String()+" does not use "+w.called(c.to.port)+" on this host"), nil
	case !r.replica && !w.awaitObject(model.ObjectRouter, o, rec.Revision, host): // replicas are not told of
		return end{}, nil, w.drop(c.head, ReasonRouterNowhere, kindRouter, rec.ID, host, o.String()+" has not been made by its host yet"), nil
	}
	if c.head.metadata() && !in.external {
		d := w.metadataService(c, host)
		return end{head: c.head, router: r, in: in, host: host, network: in.network}, nil, d, nil
	}
	out := r.forward(in, c.head)
	s := Step{Kind: "router", Host: host, Packet: c.head.String(), In: w.object(kindPort, in.port.ID)}
	if out.reason == "" && out.out != nil {
		s.Out = w.object(kindPort, out.out.port.ID)
		s.NextHop = hopText(out.via)
	}
	for _, by := range out.by {
		s.Objects = append(s.Objects, *w.object(by.kind, by.id))
		if f, ok := records.FloatingIPs.Get(w.r, by.id); ok && by.kind == kindFloatingIP {
			w.awaitObject(model.ObjectFloatingIP, w.object(kindFloatingIP, by.id), f.Revision, host)
		}
	}
	s.Text = w.routedText(o, c.head, out)
	more, big := w.fragments(o, host, c.head, out)
	if more != "" {
		s.Text += ", " + more
	}
	w.step(s, kindRouter, rec.ID)
	if big != nil {
		return end{}, nil, big, nil
	}
	switch {
	case out.reason != "":
		return end{}, nil, w.drop(c.head, out.reason, out.about.kind, out.about.id, host, o.String()+" "+out.text), nil
	case out.local:
		return w.local(r, in, out.head)
	}
	next := &onwards{via: out.via, home: out.home, crossing: crossing{
		network: out.out.network, head: out.head, src: out.out.port.MAC, from: out.out.port, host: host,
	}}
	return end{}, next, nil, nil
}

func hopText(via netip.Addr) string {
	if !via.IsValid() {
		return ""
	}
	return via.String()
}

// local is a packet for the router itself: it answers pings, and nothing else.
func (w *walk) local(r *router, in *face, h head) (end, *onwards, *Decision, error) {
	if h.icmp() {
		return end{head: h, router: r, in: in, host: r.host, network: in.network}, nil, nil, nil
	}
	for _, f := range r.floating {
		if f.FloatingIP == h.dst {
			return end{}, nil, w.drop(h, ReasonNotForwarded, kindFloatingIP, f.ID, r.host,
				fmt.Sprintf("%s stands for no port, and no port forwarding takes %s", w.object(kindFloatingIP, f.ID), h)), nil
		}
	}
	return end{}, nil, w.drop(h, ReasonNotForwarded, kindRouter, r.rec.ID, r.host,
		fmt.Sprintf("%s is an address of %s itself, which answers pings only", h.dst, w.object(kindRouter, r.rec.ID))), nil
}

// routedText says what a router does with a packet.
func (w *walk) routedText(o *Object, h head, out routed) string {
	var parts []string
	for _, by := range out.by {
		if by.kind != kindRouter {
			parts = append(parts, "by "+w.object(by.kind, by.id).String())
		}
	}
	if out.head.dst.IsValid() && out.head.dst != h.dst {
		parts = append(parts, "translated to "+netip.AddrPortFrom(out.head.dst, out.head.dport).String())
	}
	if out.head.src.IsValid() && out.head.src != h.src {
		parts = append(parts, "now from "+out.head.src.String())
	}
	switch {
	case out.reason != "":
		parts = append(parts, out.text)
	case out.local:
		parts = append(parts, "for the router itself")
	case out.home:
		parts = append(parts, "to the router's home")
	case out.via == out.head.dst:
		parts = append(parts, fmt.Sprintf("to %s in %s", out.via, w.object(kindNetwork, out.out.network.ID)))
	default:
		parts = append(parts, fmt.Sprintf("to the next hop %s in %s", out.via, w.object(kindNetwork, out.out.network.ID)))
	}
	return o.String() + ": " + strings.Join(parts, ", ")
}
