package dhcp

import (
	"bytes"
	"slices"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"golang.org/x/net/bpf"
	"pgregory.net/rapid"
)

// TestAServerHearsClientsOnlyThatAreTheSenders asks a real dnsmasq behind the
// kernel's rules.
func TestAServerHearsClientsOnlyThatAreTheSenders(t *testing.T) {
	d := serve(t, Desired(isolated(), options()))
	as := func(hw []byte) dhcpv4.Modifier { return dhcpv4.WithHwAddr(hw) }
	id := func(id string) dhcpv4.Modifier {
		return dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte(id)))
	}
	for _, c := range []struct {
		what string
		how  []dhcpv4.Modifier
		want string
	}{
		{"itself", nil, "10.30.0.44"},
		{"itself, by the identifier of the other", []dhcpv4.Modifier{id("\x01" + string(macA[:]))}, "10.30.0.44"},
		{"the other", []dhcpv4.Modifier{as(macA[:])}, ""},
	} {
		got := ""
		if m := d.offer(macB, c.how...); m != nil {
			got = m.YourIPAddr.String()
		}
		if got != c.want {
			t.Errorf("a guest that is %s is offered %q, want %q", c.what, got, c.want)
		}
	}
	if n, err := guard(t.Context(), d.ns); n != 0 || err != nil {
		t.Errorf("looked at again: %d changes, %v", n, err)
	}
}

// run gives what a program makes of a packet.
func run(t *rapid.T, program []bpf.Instruction, packet []byte) bool {
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// TestThePacketsThatPassAreThoseOfTheSender compares the program with what it is
// for. Instead of before the packet, the frame's sender is at its end.
func TestThePacketsThatPassAreThoseOfTheSender(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.IntRange(5, 15).Draw(t, "words of the IP header")
		sender := rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "sender")
		udp := make([]byte, 8+240)
		copy(udp[8:], []byte{1, 1, 6, rapid.Byte().Draw(t, "hops")})
		copy(udp[8+28:], sender)
		want := true
		if i := rapid.IntRange(-1, 43).Draw(t, "wrong"); i >= 0 {
			was := udp[8+i]
			udp[8+i] = rapid.Byte().Draw(t, "byte")
			checked := i < 3 || i >= 24 && i < 34 // op, type, length; relay and client
			want = udp[8+i] == was || !checked
		}
		packet := slices.Concat([]byte{0x40 | byte(words)}, make([]byte, 4*words-1), udp)
		if got := run(t, honest4(uint32(len(packet))), append(packet, sender...)); got != want {
			t.Fatalf("passes: %v, want %v", got, want)
		}
		cut := packet[:rapid.IntRange(0, 4*words+8+33).Draw(t, "cut")]
		if run(t, honest4(0), cut) && !bytes.Equal(cut[:min(6, len(cut))], sender) {
			t.Fatalf("%x passes", cut)
		}
	})
}

func TestMessagesOfClientsPassAndNoOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.SampledFrom([]byte{17, 0, 44, 60, 6}).Draw(t, "next header")
		typ := rapid.Byte().Draw(t, "type")
		packet := make([]byte, 60)
		packet[0], packet[6], packet[48] = 0x60, next, typ
		want := next == 17 && slices.Contains([]byte{1, 3, 4, 5, 8, 9, 11}, typ)
		if got := run(t, honest6(), packet); got != want {
			t.Fatalf("passes: %v, want %v", got, want)
		}
	})
}
