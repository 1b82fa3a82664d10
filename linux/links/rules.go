package links

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// This file: policy rules, ip-rule(8). Owned are those of protocol "static";
// the kernel's own and those of an operator who says no protocol stay. The
// routes of the tables that owned rules name are owned too.

// Rule has packets look up their route in a table.
type Rule struct {
	// Priority, 1 to 4294967295: rules are asked from the lowest on. The main
	// table's is 32766.
	Priority int
	// From are the packets' sources, and tells the family.
	From netip.Prefix
	// In is the link that the packets come in by; "" for any.
	In    string
	Table int
}

func (r Rule) String() string {
	s := fmt.Sprintf("priority %d from %s", r.Priority, r.From)
	if r.In != "" {
		s += " iif " + r.In
	}
	return s + fmt.Sprintf(" lookup %d", r.Table)
}

// Compare orders rules as they are asked.
func (r Rule) Compare(o Rule) int {
	return cmp.Or(cmp.Compare(r.Priority, o.Priority), r.From.Compare(o.From), strings.Compare(r.In, o.In), cmp.Compare(r.Table, o.Table))
}

func diffRules(have State, want Config) (add, del []Change) {
	for _, r := range want.Rules {
		if !slices.Contains(have.Rules, r) {
			add = append(add, Change{Rule: &r})
		}
	}
	for _, r := range have.Rules {
		if !slices.Contains(want.Rules, r) {
			del = append(del, Change{Rule: &r, Delete: true})
		}
	}
	return add, del
}

func readRules(h *netlink.Handle, s *State) error {
	for family, all := range map[int]netip.Prefix{
		netlink.FAMILY_V4: netip.PrefixFrom(netip.IPv4Unspecified(), 0),
		netlink.FAMILY_V6: netip.PrefixFrom(netip.IPv6Unspecified(), 0),
	} {
		rules, err := h.RuleList(family)
		if err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
		for _, r := range rules {
			if r.Protocol != unix.RTPROT_STATIC {
				continue
			}
			own := Rule{Priority: max(r.Priority, 0), From: all, In: r.IifName, Table: r.Table}
			if from, ok := prefixOf(r.Src); ok {
				own.From = from
			}
			s.Rules = append(s.Rules, own)
		}
	}
	slices.SortFunc(s.Rules, Rule.Compare)
	return nil
}

func performRule(h *netlink.Handle, c Change) error {
	r := netlink.NewRule()
	r.Priority, r.Table, r.IifName, r.Protocol, r.Family = c.Rule.Priority, c.Rule.Table, c.Rule.In, unix.RTPROT_STATIC, netlink.FAMILY_V4
	if c.Rule.From.Addr().Is6() {
		r.Family = netlink.FAMILY_V6
	}
	if c.Rule.From.Bits() > 0 {
		r.Src = netOf(c.Rule.From)
	}
	if c.Delete {
		return ignore(h.RuleDel(r), unix.ENOENT)
	}
	if err := h.RuleAdd(r); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
