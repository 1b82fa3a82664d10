package inspect

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/lepton-sdn/lepton/ovsdb/unixctl"
)

// Trace asks the switch what its flows would do with a packet, which args
// describe as ofproto/trace reads them (ovs-vswitchd(8)), and writes behind each
// step whose flow it was.
func (s Switch) Trace(ctx context.Context, bridge string, objects *Objects, args ...string) (string, error) {
	text, err := s.ask(ctx, "ofproto/trace", append([]string{bridge}, args...)...)
	switch {
	case err == nil:
		return annotate(text, objects), nil
	case strings.Contains(err.Error(), "nknown bridge"):
		return "", fmt.Errorf("bridge %s: %w", bridge, ErrNoBridge)
	case strings.Contains(err.Error(), "flow syntax"):
		return "", fmt.Errorf("%w: %w", ErrPacket, err)
	}
	return "", err
}

// ask has ovs-vswitchd execute a command.
func (s Switch) ask(ctx context.Context, command string, args ...string) (string, error) {
	socket, err := unixctl.Socket(s.RunDir, "ovs-vswitchd")
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%w: %w", ErrNoSwitch, err)
	}
	if err != nil {
		return "", err
	}
	text, err := unixctl.Call(ctx, socket, command, args...)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		err = fmt.Errorf("%w: %w", ErrNoSwitch, err)
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", ErrNoSwitch, ctx.Err())
	}
	return text, err
}

// protocols are the keywords that choose an IP version and a protocol
// (ovs-fields(7)).
var protocols = map[string]struct {
	six   bool
	proto string
}{
	"icmp": {false, "1"}, "tcp": {false, "6"}, "udp": {false, "17"}, "sctp": {false, "132"}, "ip": {false, ""},
	"icmp6": {true, "58"}, "tcp6": {true, "6"}, "udp6": {true, "17"}, "sctp6": {true, "132"}, "ipv6": {true, ""},
}

// Tracked adds to a description of an IP packet that it is the first of a
// connection, as the switch's connection tracker would say: ofproto/trace does
// not ask it, and rules judge what it says. Descriptions of other packets, and
// those that speak of a connection already, stay as they are.
func Tracked(packet string) string {
	var six, ip bool
	proto := ""
	have := map[string]string{}
	for _, field := range strings.Split(packet, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if strings.HasPrefix(key, "ct_") {
			return packet
		}
		if p, ok := protocols[key]; ok {
			ip, six = true, p.six
			proto = p.proto
		}
		have[key] = value
	}
	first := func(keys ...string) string {
		for _, k := range keys {
			if v := have[k]; v != "" {
				return v
			}
		}
		return "0"
	}
	if !ip {
		return packet
	}
	if proto == "" {
		proto = first("nw_proto", "ip_proto")
	}
	src, dst, names := first("nw_src", "ip_src"), first("nw_dst", "ip_dst"), [2]string{"ct_nw_src", "ct_nw_dst"}
	if six {
		src, dst, names = first("ipv6_src"), first("ipv6_dst"), [2]string{"ct_ipv6_src", "ct_ipv6_dst"}
	}
	if src == "0" || dst == "0" {
		return packet
	}
	from := first("tp_src", "tcp_src", "udp_src", "sctp_src", "icmp_type", "icmpv6_type")
	to := first("tp_dst", "tcp_dst", "udp_dst", "sctp_dst", "icmp_code", "icmpv6_code")
	return packet + fmt.Sprintf(",ct_state=trk|new,%s=%s,%s=%s,ct_nw_proto=%s,ct_tp_src=%s,ct_tp_dst=%s", names[0], src, names[1], dst, proto, from, to)
}

// step is a line of a trace that names a table and the flow found in it.
var step = regexp.MustCompile(`^( *\d+\. .*?)(?:, )?cookie (0x[0-9a-f]+)(.*)$`)

// annotate puts owners in the place of cookies.
func annotate(text string, objects *Objects) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		m := step.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		cookie, err := strconv.ParseUint(m[2], 0, 64)
		if err != nil {
			continue
		}
		lines[i] = fmt.Sprintf("%s%s  ← %s", m[1], m[3], objects.Owner(cookie))
	}
	return strings.Join(lines, "\n")
}
