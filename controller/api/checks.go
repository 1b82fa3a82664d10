package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lepton-sdn/lepton/model"
)

func wrong(format string, args ...any) error {
	return &invalid{reason: fmt.Sprintf(format, args...)}
}

func unconvertible(format string, args ...any) error {
	return &invalid{reason: fmt.Sprintf(format, args...), convert: true}
}

// text takes a string of at most n characters.
func text(n int) check {
	return func(v any) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, wrong("'%s' is not a valid string", textOf(v))
		}
		if len(s) > n && utf8.RuneCountInString(s) > n {
			return nil, wrong("'%s' exceeds maximum length of %d", textOf(s), n)
		}
		return s, nil
	}
}

func text255(v any) (any, error) { return text(255)(v) }

// nullable takes what the check takes, and null, which it gives as nil.
func nullable(c check) check {
	return func(v any) (any, error) {
		if v == nil {
			return nil, nil
		}
		return c(v)
	}
}

// boolean takes true and false, also as text and as 0 or 1.
func boolean(v any) (any, error) {
	switch b := v.(type) {
	case bool:
		return b, nil
	case string:
		if value, ok := parseBool(b); ok {
			return value, nil
		}
	case json.Number:
		if value, ok := parseBool(b.String()); ok {
			return value, nil
		}
	}
	return nil, unconvertible("'%s' cannot be converted to boolean", textOf(v))
}

// integer takes a whole number between least and most, also as text.
func integer(least, most int64) check {
	return func(v any) (any, error) {
		n, err := parseInteger(v)
		if err != nil {
			return nil, err
		}
		if n < least || n > most {
			return nil, wrong("'%d' is not in range %d through %d", n, least, most)
		}
		return int(n), nil
	}
}

func parseInteger(v any) (int64, error) {
	s, ok := v.(string)
	if n, number := v.(json.Number); number {
		s, ok = n.String(), true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if !ok || err != nil {
		return 0, unconvertible("'%s' is not an integer", textOf(v))
	}
	return n, nil
}

// oneOf takes one of the words.
func oneOf(words ...string) check {
	return func(v any) (any, error) {
		if s, ok := v.(string); ok && slices.Contains(words, s) {
			return s, nil
		}
		return nil, wrong("'%s' is not in %q", textOf(v), words)
	}
}

// uuidPattern is a UUID with or without hyphens, as Neutron takes it.
var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$`)

func uuidText(v any) (any, error) {
	if s, ok := v.(string); ok && uuidPattern.MatchString(s) {
		return s, nil
	}
	return nil, wrong("'%s' is not a valid UUID", textOf(v))
}

// uuidList takes a list of different UUIDs and gives a []string.
func uuidList(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrong("'%s' is not a list", textOf(v))
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		id, err := uuidText(item)
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, id.(string)) {
			return nil, wrong("Duplicate items in the list: '%s'", id)
		}
		out = append(out, id.(string))
	}
	return out, nil
}

// tagList takes a list of different tags of at most 255 characters.
func tagList(v any) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrong("'%s' is not a list", textOf(v))
	}
	if len(items) > maxTags {
		return nil, wrong("an object has at most %d tags", maxTags)
	}
	out := make([]string, 0, len(items))
	for _, item := range items {
		s, err := text255(item)
		if err != nil {
			return nil, err
		}
		if s == "" || slices.Contains(out, s.(string)) {
			return nil, wrong("Duplicate or empty items in the list: '%s'", s)
		}
		out = append(out, s.(string))
	}
	slices.Sort(out)
	return out, nil
}

// address takes an IP address and gives a netip.Addr.
func address(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, wrong("'%s' is not a valid IP address", textOf(v))
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return nil, wrong("'%s' is not a valid IP address", textOf(v))
	}
	return a, nil
}

// prefix takes an IP range and gives a netip.Prefix, host bits included.
func prefix(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, wrong("'%s' is not a valid IP subnet", textOf(v))
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return nil, wrong("'%s' is not a valid IP subnet", textOf(v))
	}
	return p, nil
}

// rangeOrAddress takes an IP range, or one address, and gives a netip.Prefix.
func rangeOrAddress(v any) (any, error) {
	if a, err := address(v); err == nil {
		one := a.(netip.Addr)
		return netip.PrefixFrom(one, one.BitLen()), nil
	}
	return prefix(v)
}

// mac takes a unicast MAC address.
func mac(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, wrong("'%s' is not a valid MAC address", textOf(v))
	}
	m, err := model.ParseMAC(s)
	if err != nil || m == (model.MAC{}) || m.Multicast() {
		return nil, wrong("'%s' is not a valid MAC address", textOf(v))
	}
	return m, nil
}

// dictionary takes a JSON object.
func dictionary(v any) (any, error) {
	if m, ok := v.(map[string]any); ok {
		return plainNumbers(m), nil
	}
	return nil, wrong("'%s' is not a dictionary", textOf(v))
}

// plainNumbers makes numbers of the numbers in a decoded body, so that it is
// kept, and compared, as it comes back from the store.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plainNumbers(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainNumbers(e)
		}
		return out
	}
	return v
}

// only refuses members of an object that are not known.
func only(o map[string]any, names ...string) error {
	for name := range o {
		if !slices.Contains(names, name) {
			return wrong("Unexpected keys supplied: %s", clip(name))
		}
	}
	return nil
}

// objects takes a list of JSON objects, each made into a T.
func objects[T any](each func(map[string]any) (T, error)) check {
	return func(v any) (any, error) {
		items, ok := v.([]any)
		if !ok {
			return nil, wrong("'%s' is not a list", textOf(v))
		}
		out := make([]T, 0, len(items))
		for _, item := range items {
			o, ok := item.(map[string]any)
			if !ok {
				return nil, wrong("'%s' is not a dictionary", textOf(item))
			}
			t, err := each(o)
			if err != nil {
				return nil, err
			}
			out = append(out, t)
		}
		return out, nil
	}
}

var (
	labelPattern  = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)
	numberPattern = regexp.MustCompile(`^[0-9]+$`)
)

// hostName takes a host's DNS name, with or without a domain (RFC 1123), or the
// empty string.
func hostName(v any) (any, error) {
	if _, ok := v.(string); !ok {
		return nil, unconvertible("Input value %s must be string type", textOf(v))
	}
	s, err := text255(v)
	if err != nil || s == "" {
		return s, err
	}
	labels := strings.Split(strings.TrimSuffix(s.(string), "."), ".")
	for _, l := range labels {
		if !labelPattern.MatchString(l) {
			return nil, wrong("'%s' not a valid PQDN or FQDN. Reason: '%s' is not a valid name", textOf(v), clip(l))
		}
	}
	if last := labels[len(labels)-1]; len(labels) > 1 && numberPattern.MatchString(last) {
		return nil, wrong("'%s' not a valid PQDN or FQDN. Reason: TLD '%s' must not be all numeric", textOf(v), last)
	}
	return strings.ToLower(s.(string)), nil
}

// maxName is how many characters a full DNS name may have, the dot at its end
// included (RFC 1035, section 2.3.4).
const maxName = 255

// domainName takes a DNS domain with a dot at its end that leaves room for a
// host in it, or the empty string.
func domainName(v any) (any, error) {
	s, err := hostName(v)
	if err != nil || s == "" {
		return s, err
	}
	if !strings.HasSuffix(s.(string), ".") {
		return nil, wrong("'%s' is not a FQDN", textOf(v))
	}
	if len(s.(string)) > maxName-2 {
		return nil, wrong("'%s' contains %d characters. Adding a sub-domain will cause it to exceed the maximum length of a FQDN of '%d'", textOf(v), len(s.(string)), maxName)
	}
	return s, nil
}

// relativeName takes a host's DNS name without a dot at its end that leaves room
// for a domain, or the empty string.
func relativeName(v any) (any, error) {
	s, err := hostName(v)
	if err != nil || s == "" {
		return s, err
	}
	if strings.HasSuffix(s.(string), ".") {
		return nil, wrong("'%s' is a FQDN. It should be a relative domain name", textOf(v))
	}
	if len(s.(string)) > maxName-3 {
		return nil, wrong("'%s' contains %d characters. Adding a domain name will cause it to exceed the maximum length of a FQDN of '%d'", textOf(v), len(s.(string)), maxName)
	}
	return s, nil
}
