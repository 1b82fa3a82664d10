package switches

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/ovsdb/unixctl"
	"github.com/lepton-sdn/lepton/pipeline"
)

// This file: the connection tracker forgets the connections of an address.
// Which there are, the daemon's list of a zone's connections says; it is asked
// for only when ports are gone, once for all of them.
//
//	TCP, UDP, GRE …   OpenFlow flushes them, by address and protocol
//	ICMP, ICMPv6      OpenFlow cannot (see ofp.Connections), so each gets an
//	                  answer with ct(commit,force): a connection that is forced
//	                  by its answer is deleted, and an answer begins no new one

const (
	// listTimeout bounds the asking for lists and what follows from it.
	listTimeout = 5 * time.Second
	// maxEchoes bounds the answers of one flush. Guests make as many queries as
	// they like; those of the rest expire within a minute.
	maxEchoes = 20000
)

// Flush has the connection tracker forget connections. Without the daemon's
// control socket these are TCP, UDP and SCTP, whether there are any or not; the
// rest expires. Open vSwitch before 3.1 cannot tell connections by address.
func (c *conn) Flush(ctx context.Context, ended []pipeline.Connections) error {
	within, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := c.flushQueries(within, ended)
	if err != nil {
		select {
		case <-c.Done():
			return err
		default:
			c.log.Info("connections of ports that are gone may be remembered until they expire", zap.Error(err))
		}
		list = nil
		for _, e := range ended {
			list = append(list, ofp.Connections{Zone: e.Zone, Address: e.Address})
		}
	}
	err = c.FlushConnections(ctx, list)
	if refused := (*ofp.Error)(nil); errors.As(err, &refused) {
		return nil
	}
	return err
}

// flushQueries has ICMP and ICMPv6 connections forgotten, and gives the others
// that there are.
func (c *conn) flushQueries(ctx context.Context, ended []pipeline.Connections) ([]ofp.Connections, error) {
	gone, list := map[uint16]map[netip.Addr]bool{}, []ofp.Connections{}
	for _, e := range ended {
		if !e.Address.IsValid() {
			list = append(list, ofp.Connections{Zone: e.Zone})
			continue
		}
		if gone[e.Zone] == nil {
			gone[e.Zone] = map[netip.Addr]bool{}
		}
		gone[e.Zone][e.Address] = true
	}
	for _, zone := range slices.Sorted(maps.Keys(gone)) {
		text, err := dumpConnections(ctx, c.runDir, zone)
		if err != nil {
			return nil, err
		}
		others, queries := readConnections(text, zone, gone[zone])
		list = append(list, others...)
		if err := c.forgetQueries(ctx, zone, queries); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// dumpConnections gives the list of a zone's connections, of all datapaths.
func dumpConnections(ctx context.Context, runDir string, zone uint16) (string, error) {
	socket, err := unixctl.Socket(runDir, "ovs-vswitchd")
	if err != nil {
		return "", err
	}
	datapaths, err := unixctl.Call(ctx, socket, "dpctl/dump-dps")
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, dp := range strings.Fields(datapaths) {
		text, err := unixctl.Call(ctx, socket, "dpctl/dump-conntrack", dp, fmt.Sprintf("zone=%d", zone))
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// query is a connection of ICMP or ICMPv6: what began it.
type query struct {
	src, dst netip.Addr
	kind     uint8 // the ICMP type
	id       uint16
}

// listed are the names that Open vSwitch's list gives to protocols; the others
// are numbers.
var listed = map[string]uint8{
	"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "icmpv6": 58, "sctp": 132, "udplite": 136,
}

// readConnections finds in a list of connections those of which one end is an
// address that is gone: ICMP queries each, the others by what names them.
//
//	icmp,orig=(src=10.0.0.1,dst=10.0.0.2,id=7,type=8,code=0),reply=(…),zone=5
//	47,orig=(src=10.0.0.1,dst=10.0.0.2,sport=0,dport=0),reply=(…),zone=5
func readConnections(text string, zone uint16, gone map[netip.Addr]bool) ([]ofp.Connections, []query) {
	others, queries := map[ofp.Connections]bool{}, []query{}
	for line := range strings.Lines(text) {
		name, tuple, ok := strings.Cut(line, ",orig=(")
		tuple, _, closed := strings.Cut(tuple, ")")
		protocol, known := listed[name]
		if n, err := strconv.ParseUint(name, 10, 8); err == nil {
			protocol, known = uint8(n), true
		}
		q, valid := readQuery(tuple)
		if !ok || !closed || !known || !valid || !gone[q.src] && !gone[q.dst] {
			continue
		}
		switch protocol {
		case 1, 58:
			if q.src.Is4() == (protocol == 1) {
				queries = append(queries, q)
			}
		default:
			for _, a := range []netip.Addr{q.src, q.dst} {
				if gone[a] {
					others[ofp.Connections{Zone: zone, Address: a, Protocol: protocol}] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(others), func(a, b ofp.Connections) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Protocol, b.Protocol))
	}), queries
}

// readQuery reads "src=…,dst=…,id=…,type=…,code=…", of which all but the
// addresses may be missing.
func readQuery(tuple string) (q query, ok bool) {
	for part := range strings.SplitSeq(tuple, ",") {
		key, value, _ := strings.Cut(part, "=")
		number, _ := strconv.ParseUint(value, 10, 16)
		switch key {
		case "src":
			q.src, _ = netip.ParseAddr(value)
		case "dst":
			q.dst, _ = netip.ParseAddr(value)
		case "id":
			q.id = uint16(number)
		case "type":
			q.kind = uint8(number)
		}
	}
	return q, q.src.IsValid() && q.dst.IsValid() && q.src.Is4() == q.dst.Is4()
}

// forgetQueries sends the answers that delete connections. They leave the
// switch nowhere.
func (c *conn) forgetQueries(ctx context.Context, zone uint16, queries []query) error {
	for _, q := range queries[:min(len(queries), maxEchoes)] {
		frame, err := q.answer()
		if err != nil {
			return fmt.Errorf("write the answer to a query of %s: %w", q.src, err)
		}
		err = c.PacketOut(ctx, ofp.PacketOut{
			InPort: flows.PortController, Data: frame,
			Actions: []flows.Action{flows.CT{Commit: true, Force: true, Table: flows.NoTable, Zone: zone}},
		})
		if err != nil {
			return err
		}
	}
	if n := len(queries) - maxEchoes; n > 0 {
		return fmt.Errorf("%d ICMP queries more than %d in zone %d", n, maxEchoes, zone)
	}
	if len(queries) == 0 {
		return nil
	}
	return c.Barrier(ctx)
}

// answered gives the type of the answer to an ICMP query (RFC 792).
var answered = map[uint8]uint8{8: 0, 13: 14, 15: 16, 17: 18}

// answer writes the answer to the query.
func (q query) answer() ([]byte, error) {
	eth := &layers.Ethernet{SrcMAC: make(net.HardwareAddr, 6), DstMAC: make(net.HardwareAddr, 6), EthernetType: layers.EthernetTypeIPv4}
	stack := []gopacket.SerializableLayer{eth}
	if q.src.Is4() {
		stack = append(stack,
			&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: q.dst.AsSlice(), DstIP: q.src.AsSlice()},
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(answered[q.kind], 0), Id: q.id})
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolICMPv6, SrcIP: q.dst.AsSlice(), DstIP: q.src.AsSlice()}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(q.kind+1, 0)} // echo and node information: the next number
		if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
		stack = append(stack, ip, icmp, &layers.ICMPv6Echo{Identifier: q.id})
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(stack, gopacket.Payload(make([]byte, 16)))...)
	return buf.Bytes(), err
}
