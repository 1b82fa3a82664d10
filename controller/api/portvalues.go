package api

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/model"
)

// fixedIPs takes a list of subnets, addresses or both.
func fixedIPs(v any) (any, error) {
	requests, err := objects(fixedIPOf)(v)
	if err != nil {
		return nil, err
	}
	seen := map[netip.Addr]bool{}
	for _, r := range requests.([]plugin.AddressRequest) {
		if r.IP.IsValid() && seen[r.IP] {
			return nil, wrong("Duplicate IP address '%s'", r.IP)
		}
		seen[r.IP] = true
	}
	return requests, nil
}

func fixedIPOf(o map[string]any) (plugin.AddressRequest, error) {
	var r plugin.AddressRequest
	if err := only(o, "subnet_id", "ip_address"); err != nil {
		return r, err
	}
	if id, ok := o["subnet_id"]; ok {
		checked, err := uuidText(id)
		if err != nil {
			return r, err
		}
		r.SubnetID = checked.(string)
	}
	if ip, ok := o["ip_address"]; ok {
		checked, err := address(ip)
		if err != nil {
			return r, err
		}
		r.IP = checked.(netip.Addr)
	}
	if r.SubnetID == "" && !r.IP.IsValid() {
		return r, wrong("IP allocation requires subnet_id or ip_address")
	}
	return r, nil
}

func fixedIPObjects(fixed []model.FixedIP) []object {
	out := make([]object, 0, len(fixed))
	for _, f := range fixed {
		out = append(out, object{{"subnet_id", f.SubnetID}, {"ip_address", f.IP}})
	}
	return out
}

// byMAC filters by MAC, in any spelling.
func byMAC(values []string) (func(*portView) bool, error) {
	var want []model.MAC
	for _, v := range values {
		if m, err := model.ParseMAC(v); err == nil {
			want = append(want, m)
		}
	}
	return func(v *portView) bool { return slices.Contains(want, v.MAC) }, nil
}

// bySecurityGroup filters by membership in any of the groups.
func bySecurityGroup(values []string) (func(*portView) bool, error) {
	return func(v *portView) bool {
		return slices.ContainsFunc(v.SecurityGroups, func(g string) bool { return slices.Contains(values, g) })
	}, nil
}

// byFixedIP filters by fixed_ips=<key>=<value>: ip_address, subnet_id or
// ip_address_substr. Different keys must all match, values of one key any.
func byFixedIP(values []string) (func(*portView) bool, error) {
	want := map[string][]string{}
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if !ok || !slices.Contains([]string{"ip_address", "subnet_id", "ip_address_substr"}, key) {
			return nil, plugin.InvalidInput("fixed_ips: '%s' is not of the form <key>=[value], with the key ip_address, subnet_id or ip_address_substr", clip(v))
		}
		if a, err := netip.ParseAddr(value); err == nil && key == "ip_address" {
			value = a.String()
		}
		want[key] = append(want[key], value)
	}
	has := func(v *portView, key string, match func(f model.FixedIP, value string) bool) bool {
		return len(want[key]) == 0 || slices.ContainsFunc(v.FixedIPs, func(f model.FixedIP) bool {
			return slices.ContainsFunc(want[key], func(value string) bool { return match(f, value) })
		})
	}
	return func(v *portView) bool {
		return has(v, "ip_address", func(f model.FixedIP, value string) bool { return f.IP.String() == value }) &&
			has(v, "subnet_id", func(f model.FixedIP, value string) bool { return f.SubnetID == value }) &&
			has(v, "ip_address_substr", func(f model.FixedIP, value string) bool { return strings.Contains(f.IP.String(), value) })
	}, nil
}

// mostExact leaves of the values of a fixed_ips filter those of the key that
// the fewest ports have: the filters of all its keys must match.
func mostExact(values []string) []string {
	for _, key := range []string{"ip_address=", "subnet_id="} {
		var of []string
		for _, v := range values {
			if strings.HasPrefix(v, key) {
				of = append(of, v)
			}
		}
		if len(of) > 0 {
			return of
		}
	}
	return values
}

// addressPairs takes a list of addresses or ranges, each with a MAC or without.
func addressPairs(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrong("Allowed address pairs must be a list")
	}
	out := make([]model.AddressPair, 0, len(items))
	for _, item := range items {
		o, ok := item.(map[string]any)
		if !ok {
			return nil, wrong("'%s' is not a dictionary", textOf(item))
		}
		pair, err := addressPairOf(o)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, pair) {
			return nil, plugin.BadRequest("DuplicateAddressPairInRequest",
				"Request contains duplicate address pair: mac_address %s ip_address %s.", pair.MAC, pairText(pair.IP))
		}
		out = append(out, pair)
	}
	return out, nil
}

func addressPairOf(o map[string]any) (model.AddressPair, error) {
	var pair model.AddressPair
	if err := only(o, "ip_address", "mac_address"); err != nil {
		return pair, err
	}
	if o["ip_address"] == nil {
		return pair, plugin.BadRequest("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address")
	}
	if a, err := address(o["ip_address"]); err == nil {
		pair.IP = netip.PrefixFrom(a.(netip.Addr), a.(netip.Addr).BitLen())
	} else {
		p, err := prefix(o["ip_address"])
		if err != nil {
			return pair, err
		}
		pair.IP = p.(netip.Prefix)
	}
	if o["mac_address"] != nil {
		m, err := mac(o["mac_address"])
		if err != nil {
			return pair, err
		}
		pair.MAC = m.(model.MAC)
	}
	return pair, nil
}

// pairText shows a range of one address as the address.
func pairText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func pairObjects(port *model.Port) []object {
	out := make([]object, 0, len(port.AllowedAddressPairs))
	for _, pair := range port.AllowedAddressPairs {
		m := pair.MAC
		if m == (model.MAC{}) {
			m = port.MAC
		}
		out = append(out, object{{"ip_address", pairText(pair.IP)}, {"mac_address", m.String()}})
	}
	return out
}

// dhcpOptions takes a list of DHCP options, each at most once for an IP version.
func dhcpOptions(v any) (any, error) {
	list, err := objects(dhcpOptionOf)(v)
	if err != nil {
		return nil, err
	}
	type key struct {
		name    string
		version int
	}
	seen := map[key]bool{}
	for _, c := range list.([]plugin.DHCPOptionChange) {
		k := key{c.Name, c.IPVersion}
		if seen[k] {
			return nil, wrong("the DHCP option '%s' is there twice", clip(c.Name))
		}
		seen[k] = true
	}
	return list, nil
}

func dhcpOptionOf(o map[string]any) (plugin.DHCPOptionChange, error) {
	c := plugin.DHCPOptionChange{IPVersion: 4}
	if err := only(o, "opt_name", "opt_value", "ip_version"); err != nil {
		return c, err
	}
	name, err := text(64)(o["opt_name"])
	if err != nil {
		return c, err
	}
	if c.Name = name.(string); strings.TrimSpace(c.Name) == "" {
		return c, wrong("'%s' is blank: a DHCP option has a name", c.Name)
	}
	given, ok := o["opt_value"]
	if !ok {
		return c, wrong("the DHCP option '%s' has no opt_value", clip(c.Name))
	}
	value, err := nullable(text255)(given)
	if err != nil {
		return c, err
	}
	if s, ok := value.(string); ok {
		switch {
		case strings.ContainsAny(s+c.Name, "\n\r\x00"):
			return c, wrong("the DHCP option '%s' has a line break", clip(c.Name))
		case strings.TrimSpace(s) == "" && c.Name != "router" && c.Name != "classless-static-route":
			return c, wrong("the value of the DHCP option '%s' is blank", clip(c.Name))
		}
		c.Value = &s
	}
	if v, ok := o["ip_version"]; ok {
		n, err := ipVersion(v)
		if err != nil {
			return c, err
		}
		c.IPVersion = n.(int)
	}
	return c, nil
}

func dhcpOptionObjects(options []model.DHCPOption) []object {
	out := make([]object, 0, len(options))
	for _, o := range options {
		out = append(out, object{{"opt_name", o.Name}, {"opt_value", o.Value}, {"ip_version", o.IPVersion}})
	}
	return out
}
