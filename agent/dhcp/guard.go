package dhcp

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/lepton-sdn/lepton/linux/iptables"
)

// This file: who may say what to a server. dnsmasq believes what a packet says of
// its sender. The switch of the sender's host has seen to it that the frame is
// from the sender's MAC; here the packet is compared with the frame, in the
// kernel, by rules that are the same in all namespaces and outlive the agent.

// guardPrefix begins the names of the chains.
const guardPrefix = "lepton-"

// Fields of DHCP messages, from the beginning of the UDP header: RFC 2131 section
// 2, RFC 8415 section 8.
const (
	atOp         = 8 // op, htype, hlen, hops
	atRelay      = 8 + 24
	atHardware   = 8 + 28
	headerIPv6   = 40
	atType       = headerIPv6 + 8
	atNextHeader = 6
)

// The beginning of requests: op 1, Ethernet, 6 bytes of address, any hops.
const (
	request     = 0x01010600
	requestMask = 0xffffff00
)

// atSource is where the sender's address is in the frame (SKF_LL_OFF in
// linux/filter.h, plus 6).
const atSource = 0xffe00000 + 6

// honest4 is a program of BPF that takes messages whose client is the sender of
// the frame, and which came through no relay. It is for packets from the IP
// header on; source is where the sender's address is found.
func honest4(source uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: atOp, Size: 4},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: requestMask},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: request, SkipFalse: 12},
		bpf.LoadIndirect{Off: atRelay, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipFalse: 10},
		bpf.LoadIndirect{Off: atHardware + 4, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: 0},
		bpf.LoadIndirect{Off: atHardware, Size: 4},
		bpf.TAX{},
		bpf.LoadAbsolute{Off: source, Size: 4},
		bpf.JumpIfX{Cond: bpf.JumpEqual, SkipFalse: 4},
		bpf.LoadScratch{Dst: bpf.RegX, N: 0},
		bpf.LoadAbsolute{Off: source + 4, Size: 2},
		bpf.JumpIfX{Cond: bpf.JumpEqual, SkipFalse: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
}

// types6 are the messages of DHCPv6 that a client may send to a server here. A
// Rebind is none: dnsmasq takes it for the lease of any address, whose ever it is,
// and no client needs it, as all servers of a network answer what is for one. A
// relay's message is none: it says whose MAC the client's is.
var types6 = []uint32{1, 3, 4, 5, 8, 9, 11}

// honest6 is a program that takes these messages, without headers between those
// of IPv6 and UDP. Whose client it is dnsmasq finds by the sender's address, which
// the switch has checked.
func honest6() []bpf.Instruction {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: atNextHeader, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipFalse: uint8(len(types6) + 1)},
		bpf.LoadAbsolute{Off: atType, Size: 1},
	}
	for i, t := range types6 {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: t, SkipTrue: uint8(len(types6) - i)})
	}
	return append(program, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 0xffff})
}

// bytecode writes a program as iptables-save does.
func bytecode(program []bpf.Instruction) string {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(err) // a program is made of constants
	}
	words := []string{fmt.Sprint(len(raw))}
	for _, i := range raw {
		words = append(words, fmt.Sprintf("%d %d %d %d", i.Op, i.Jt, i.Jf, i.K))
	}
	return `"` + strings.Join(words, ",") + `"`
}

// guards gives the rules of a server's namespace. What the agent itself tells
// dnsmasq of IPv4 comes from lo.
func guards(f iptables.Family) iptables.Ruleset {
	port, why, takes := 67, "the client is the sender of the frame", honest4(atSource)
	if f == iptables.IPv6 {
		port, why, takes = 547, "no Rebind and nothing of relays", honest6()
	}
	udp := fmt.Sprintf("! -i lo -p udp -m udp --dport %d ", port)
	set := iptables.Ruleset{Prefix: guardPrefix}
	table := set.Table("filter")
	table.Hook("INPUT", guardPrefix+"dhcp")
	table.Add(guardPrefix+"dhcp",
		udp+"-m bpf --bytecode "+bytecode(takes)+" "+iptables.Comment(why)+" -j RETURN",
		udp+"-j DROP")
	return set
}

var families = []iptables.Family{iptables.IPv4, iptables.IPv6}

// guard brings the rules of a server's namespace to what they should be, and
// gives how many families had others.
func guard(ctx context.Context, ns string) (changes int, err error) {
	for _, f := range families {
		changed, err := iptables.Apply(ctx, ns, f, guards(f))
		if changed {
			changes++
		}
		if err != nil {
			return changes, fmt.Errorf("guard of the server: %w", err)
		}
	}
	return changes, nil
}

// inspectGuard notes rules that are not as they should be.
func (j *job) inspectGuard(ctx context.Context) error {
	for _, f := range families {
		have, err := iptables.Read(ctx, j.Namespace, f)
		if err != nil {
			return err
		}
		text, err := iptables.Diff(have, guards(f))
		if err != nil {
			return err
		}
		if text != "" {
			j.Note("rules of %s were changed", f)
		}
	}
	return nil
}
