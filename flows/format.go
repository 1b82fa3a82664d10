package flows

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// FormatOptions says how Format writes a rule.
type FormatOptions struct {
	// PortNames gives the names of ports, as --names does; nil or an empty name
	// mean the number.
	PortNames func(port uint32) string
	// TableNames gives the names of tables in the same way.
	TableNames func(table uint8) string
	// Stats are written too, as without --no-stats, when they are not nil.
	Stats *Stats
}

// Stats are what a switch counts for a rule.
type Stats struct {
	Duration time.Duration
	Packets  uint64
	Bytes    uint64
	// IdleAge and HardAge have whole seconds; negative when the switch did not
	// say.
	IdleAge, HardAge time.Duration
}

// defaultPriority is the priority of a flow that names none, OFP_DEFAULT_PRIORITY.
const defaultPriority = 0x8000

// String writes r as ovs-ofctl --no-stats --no-names dump-flows does, without
// the leading space.
func (r Rule) String() string { return Format(r, FormatOptions{}) }

// Format writes r as ovs-ofctl dump-flows does, without the leading space.
func Format(r Rule, o FormatOptions) string {
	return string(AppendFormat(make([]byte, 0, 160), r, o))
}

// AppendFormat appends what Format gives to b.
func AppendFormat(b []byte, r Rule, o FormatOptions) []byte {
	p := printer{b: b, o: o}
	if r.Cookie != 0 || o.Stats != nil {
		p.b = append(p.b, "cookie=0x"...)
		p.b = append(strconv.AppendUint(p.b, r.Cookie, 16), ", "...)
	}
	if o.Stats != nil {
		p.b = append(appendDuration(append(p.b, "duration="...), o.Stats.Duration), ", "...)
	}
	if r.Table != 0 || o.Stats != nil || p.tableName(r.Table) != "" {
		p.text("table=")
		p.table(r.Table)
		p.text(", ")
	}
	if o.Stats != nil {
		p.b = fmt.Appendf(p.b, "n_packets=%d, n_bytes=%d, ", o.Stats.Packets, o.Stats.Bytes)
	}
	if r.IdleTimeout != 0 {
		p.b = fmt.Appendf(p.b, "idle_timeout=%d, ", r.IdleTimeout)
	}
	if r.HardTimeout != 0 {
		p.b = fmt.Appendf(p.b, "hard_timeout=%d, ", r.HardTimeout)
	}
	p.flags(r.Flags)
	if o.Stats != nil {
		p.ages(*o.Stats)
	}
	start := len(p.b)
	if r.Priority != defaultPriority {
		p.text("priority=")
		p.b = append(strconv.AppendUint(p.b, uint64(r.Priority), 10), ',')
	}
	p.match(r.Match)
	if len(p.b) > start {
		p.b[len(p.b)-1] = ' '
	}
	p.text("actions=")
	p.actions(r.Actions)
	return p.b
}

// String writes m as it stands in a flow, such as tcp,nw_dst=192.0.2.1,tp_dst=22.
func (m Match) String() string {
	p := printer{}
	p.match(m)
	if len(p.b) == 0 {
		return ""
	}
	return string(p.b[:len(p.b)-1])
}

// FormatActions writes actions as they stand behind actions=.
func FormatActions(actions []Action, o FormatOptions) string {
	p := printer{o: o}
	p.actions(actions)
	return string(p.b)
}

// flagNames are the flags in the order in which they are printed.
var flagNames = []struct {
	flag Flags
	name string
}{
	{SendFlowRem, "send_flow_rem"},
	{CheckOverlap, "check_overlap"},
	{ResetCounts, "reset_counts"},
	{NoPktCounts, "no_packet_counts"},
	{NoBytCounts, "no_byte_counts"},
}

// printer collects the text of a rule.
type printer struct {
	b []byte
	o FormatOptions
}

func (p *printer) text(s string) { p.b = append(p.b, s...) }

func (p *printer) uint(n uint64) { p.b = strconv.AppendUint(p.b, n, 10) }

func (p *printer) hex(v Value) { p.b = appendHex(p.b, v) }

func (p *printer) flags(f Flags) {
	for _, known := range flagNames {
		if f&known.flag != 0 {
			p.text(known.name)
			p.text(" ")
		}
	}
}

func (p *printer) ages(s Stats) {
	if s.IdleAge >= 0 {
		p.b = fmt.Appendf(p.b, "idle_age=%d, ", int(s.IdleAge.Seconds()))
	}
	if s.HardAge >= 0 && int(s.HardAge.Seconds()) != int(s.Duration.Seconds()) {
		p.b = fmt.Appendf(p.b, "hard_age=%d, ", int(s.HardAge.Seconds()))
	}
}

// appendDuration writes whole seconds, milliseconds, or as many digits as it
// takes.
func appendDuration(b []byte, d time.Duration) []byte {
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	switch rest := d % time.Second; {
	case rest == 0:
	case rest%time.Millisecond == 0:
		b = fmt.Appendf(b, ".%03d", rest/time.Millisecond)
	default:
		b = fmt.Appendf(b, ".%09d", rest)
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return append(b, 's')
}

func (p *printer) tableName(table uint8) string {
	if p.o.TableNames == nil {
		return ""
	}
	return p.o.TableNames(table)
}

func (p *printer) table(table uint8) {
	if name := p.tableName(table); name != "" {
		p.name(name)
		return
	}
	p.uint(uint64(table))
}

// reservedPorts are the ports that have names of their own.
var reservedPorts = []struct {
	port uint32
	name string
}{
	{PortInPort, "IN_PORT"},
	{PortTable, "TABLE"},
	{PortNormal, "NORMAL"},
	{PortFlood, "FLOOD"},
	{PortAll, "ALL"},
	{PortController, "CONTROLLER"},
	{PortLocal, "LOCAL"},
	{PortAny, "ANY"},
	{portUnset, "UNSET"},
}

// portUnset is the actset_output without an output, OFPP_UNSET.
const portUnset uint32 = 0xfffffff7

// isReserved reports whether port is written by its own name, without output:.
func isReserved(port uint32) bool { return port >= 0xffffff00 }

func (p *printer) port(port uint32) {
	for _, reserved := range reservedPorts {
		if reserved.port == port {
			p.text(reserved.name)
			return
		}
	}
	if p.o.PortNames != nil {
		if name := p.o.PortNames(port); name != "" {
			p.name(name)
			return
		}
	}
	p.uint(uint64(port))
}

// name writes the name of a port or table, in quotes unless it is a letter
// followed by letters and digits.
func (p *printer) name(name string) {
	if plainName(name) {
		p.text(name)
		return
	}
	quoted, _ := json.Marshal(name)
	p.b = append(p.b, quoted...)
}

func plainName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// value writes the value of a field as in set_field, with a mask where it is
// not the whole field.
func (p *printer) value(f Field, v, mask Value) {
	exact := mask == f.Full()
	switch n := f.notation(); n {
	case ethernet:
		p.b = appendMAC(p.b, v)
		if !exact {
			p.b = appendMAC(append(p.b, '/'), mask)
		}
		return
	case ipv4, ipv6:
		p.b = appendIPMasked(p.b, v, mask, f.Info().Bits)
		return
	case ctState, tcpFlags, tunFlags:
		p.b = appendFlags(p.b, n, v.Lo, mask.Lo)
		return
	case fragment:
		p.b = appendFragment(p.b, v.Lo, mask.Lo)
		return
	case packetType:
		p.b = fmt.Appendf(p.b, "(%d,%#x)", v.Lo>>16, v.Lo&0xffff)
		return
	case portNumber:
		if exact {
			p.port(widenPort(uint32(v.Lo), f))
			return
		}
		p.uint(v.Lo)
	case decimal:
		p.uint(v.Lo)
	default:
		p.hex(v)
	}
	if !exact {
		p.text("/")
		p.hex(mask)
	}
}

// widenPort turns the reserved numbers of a 16-bit port field into those of 32
// bits.
func widenPort(port uint32, f Field) uint32 {
	if f == InPort16 && port >= 0xff00 {
		return port | 0xffff0000
	}
	return port
}

// subfield writes NXM_NX_REG0[], NXM_NX_REG0[3] or NXM_NX_REG0[0..15].
func (p *printer) subfield(s Subfield) {
	p.text(s.Field.nxmName())
	switch {
	case s == Whole(s.Field):
		p.text("[]")
	case s.Bits == 1:
		p.b = fmt.Appendf(p.b, "[%d]", s.Start)
	default:
		p.b = fmt.Appendf(p.b, "[%d..%d]", s.Start, s.Start+s.Bits-1)
	}
}

func (f Field) nxmName() string {
	if !f.Valid() {
		return "<unknown>"
	}
	return fieldTable[f].NXMName
}

// String writes s as it stands in an action, such as NXM_NX_REG6[0..15].
func (s Subfield) String() string {
	p := printer{}
	p.subfield(s)
	return string(p.b)
}
