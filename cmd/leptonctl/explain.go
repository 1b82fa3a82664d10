package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/controller/explain"
	"github.com/lepton-sdn/lepton/inspect"
)

// asking are the flags of explain.
type asking struct {
	from, to, protocol string
	port, source, ip   int
	size, mtu          int
	verbose, whole     bool
}

func newExplain(s *settings) *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use: "explain --from PORT --to PORT|ADDRESS", Short: "Say what becomes of a packet, and which object decides it",
		Long: `explain follows a packet from a port over the bridges of its host, tunnels or a
physical network, routers and the bridges of other hosts, and the answer back,
and ends with the API object that lets it through or drops it. For drops by
security groups it names the rule that came closest, and a command that admits
the packet.

A port is named by its id, its name, the beginning of its id, or a fixed
address. Without --proto an ICMP echo request is asked about.

With --size the length of the IP packet counts: where it is cut into fragments, or
with --dont-fragment (as TCP sends) where it is too big, and who tells the sender.
--link-mtu is for a guest whose link has another MTU than its network.

--to 169.254.169.254 --proto tcp --port 80 says who answers for metadata. --proto
udp --port 67 (547 over IPv6) without --to says who answers DHCP.

It is computed from the records, by the flow tables that the hosts on the way
compile from them; what a host has not made of them yet is told. Nothing is
sent. leptonctl trace asks the switch of a host instead.

Exits 8 if the packet, or the answer to it, is dropped.`,
		Example: `  leptonctl explain --from web1 --to db1 --proto tcp --port 5432
  leptonctl explain --from 4f1d2a7b --to 198.51.100.1
  leptonctl explain --from 10.0.0.5 --to 203.0.113.20 --proto tcp --port 443 -v
  leptonctl explain --from web1 --to db1 --size 1500 --dont-fragment
  leptonctl explain --from web1 --proto udp --port 67`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.from == "" || a.to == "" && a.port != 67 && a.port != 547 {
				return usage(fmt.Errorf("--from names the port that sends, --to a port or an address"))
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			var answer struct {
				Explain explain.Answer `json:"lepton_explain"`
			}
			if err := api.Call(cmd.Context(), http.MethodGet, "/v2.0/lepton-explain?"+a.query(), nil, &answer); err != nil {
				return s.failed("explain", err)
			}
			if s.forPrograms() {
				err = s.print(cmd.OutOrStdout(), answer.Explain)
			} else {
				err = printExplanation(cmd.OutOrStdout(), &answer.Explain)
			}
			if err == nil && answer.Explain.Verdict == explain.Dropped {
				return exitError(exitUnwell)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.from, "from", "", "the `port` that sends")
	f.StringVar(&a.to, "to", "", "the `port` or address that is sent to")
	f.StringVar(&a.protocol, "proto", "icmp", "tcp, udp, sctp, icmp, or another name or number of IP")
	f.IntVar(&a.port, "port", 0, "destination port, with tcp, udp and sctp")
	f.IntVar(&a.source, "source-port", 0, "source port")
	f.IntVar(&a.ip, "ip-version", 0, "4 or 6, where both ports have both")
	f.IntVar(&a.size, "size", 0, "length of the IP packet in `bytes`")
	f.BoolVar(&a.whole, "dont-fragment", false, "the packet may not be fragmented")
	f.IntVar(&a.mtu, "link-mtu", 0, "MTU of the sender's link in `bytes`, if it is not its network's")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "show the flows that the packet hits")
	addOutput(cmd, s)
	return cmd
}

func (a *asking) query() string {
	q := url.Values{"from": {a.from}, "protocol": {a.protocol}}
	if a.to != "" {
		q.Set("to", a.to)
	}
	for name, n := range map[string]int{"port": a.port, "source_port": a.source, "ip_version": a.ip, "size": a.size, "link_mtu": a.mtu} {
		if n != 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	for name, set := range map[string]bool{"verbose": a.verbose, "dont_fragment": a.whole} {
		if set {
			q.Set(name, "true")
		}
	}
	return q.Encode()
}

func printExplanation(w io.Writer, a *explain.Answer) error {
	fmt.Fprintf(w, "%s: %s\n\n", strings.ToUpper(string(a.Verdict)), inspect.Plain(a.Text))
	to := a.Packet.DestinationAddress
	if a.To != nil {
		to = objectText(a.To)
	}
	rows := [][]string{{"packet", packetText(a.Packet)}, {"from", objectText(&a.From)}, {"to", to}}
	if d := a.Decision; d != nil {
		rows = append(rows, []string{"decided by", objectText(d.Object) + onHost(d.Host)})
	}
	if n := a.Nearest; n != nil {
		rows = append(rows, []string{"nearest rule", objectText(&n.Rule)}, []string{"", "but " + n.Text})
	}
	if a.Advice != "" {
		rows = append(rows, []string{"to admit it", a.Advice})
	}
	for _, p := range a.Pending {
		text := p.Text
		if p.Object != nil {
			text = objectText(p.Object) + ": " + text
		}
		rows = append(rows, []string{"not yet", text + onHost(p.Host)})
	}
	for _, text := range a.Warnings {
		rows = append(rows, []string{"warning", text})
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%-13s %s\n", r[0], inspect.Plain(r[1]))
	}
	return firstOf(printWay(w, "forward", a.Forward), printWay(w, "reply", a.Reply))
}

func printWay(w io.Writer, direction string, steps []explain.Step) error {
	if len(steps) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s\n", direction)
	for i, s := range steps {
		fmt.Fprintf(w, "%3d  %-16s %-10s %s\n", i+1, strings.ReplaceAll(s.Kind, "_", " "), cmp.Or(s.Host, "-"), inspect.Plain(s.Text))
		if len(s.Tables) > 0 {
			for _, f := range s.Tables {
				owner := f.Feature
				if f.Object != nil {
					owner += " of " + objectText(f.Object)
				}
				fmt.Fprintf(w, "       %s %d %s: %s\n           %s\n", f.Bridge, f.Table, f.Name, f.Text, inspect.Plain(owner))
			}
			continue
		}
		if _, err := fmt.Fprint(w, path(s.Path)); err != nil {
			return err
		}
	}
	return nil
}

// path is the tables in short, a line a bridge: "br-int 0 24 25".
func path(tables []string) string {
	var b strings.Builder
	last := ""
	for _, t := range tables {
		bridge, rest, _ := strings.Cut(t, " ")
		number, _, _ := strings.Cut(rest, " ")
		if bridge != last {
			if last != "" {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "       %s, tables", bridge)
			last = bridge
		}
		b.WriteString(" " + number)
	}
	if last != "" {
		b.WriteString("\n")
	}
	return b.String()
}

func packetText(p explain.Packet) string {
	end := func(ip string, port int) string {
		a, err := netip.ParseAddr(ip)
		if err != nil || port == 0 {
			return ip
		}
		return netip.AddrPortFrom(a, uint16(port)).String()
	}
	text := fmt.Sprintf("%s %s → %s", p.Protocol, end(p.SourceAddress, p.SourcePort), end(p.DestinationAddress, p.DestinationPort))
	if p.Size > 0 {
		text += fmt.Sprintf(", %d bytes", p.Size)
	}
	return text
}

// objectText is an object with all that is known of it.
func objectText(o *explain.Object) string {
	if o == nil {
		return "-"
	}
	text := o.Words()
	for _, part := range []string{o.Name, o.ID} {
		if part != "" {
			text += " " + part
		}
	}
	if o.Text != "" {
		text += " (" + o.Text + ")"
	}
	return text
}

func onHost(host string) string {
	if host == "" {
		return ""
	}
	return ", on host " + host
}
