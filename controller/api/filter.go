package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/controller/identity"
)

// filterKind says how filter values are compared with an attribute.
type filterKind int

const (
	noFilter filterKind = iota
	byText
	byBool
	byInt
)

// predicate makes the filter of an attribute with the given values, any of
// which may match.
func (a *attr[S, V]) predicate(who identity.Identity, values []string) (func(*V) bool, error) {
	if a.match != nil {
		return a.match(values)
	}
	get := a.reader(who)
	switch a.filter {
	case byBool:
		return boolFilter(get, values)
	case byInt:
		return intFilter(get, values)
	}
	wanted := setOf(values)
	return func(v *V) bool {
		text, ok := get(v).(string)
		return ok && wanted[text]
	}, nil
}

func setOf(values []string) map[string]bool {
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = true
	}
	return set
}

func boolFilter[V any](get func(*V) any, values []string) (func(*V) bool, error) {
	var want []bool
	for _, text := range values {
		b, ok := parseBool(text)
		if !ok {
			return nil, unconvertible("'%s' cannot be converted to boolean", clip(text))
		}
		want = append(want, b)
	}
	return func(v *V) bool {
		b, ok := get(v).(bool)
		return ok && slices.Contains(want, b)
	}, nil
}

func intFilter[V any](get func(*V) any, values []string) (func(*V) bool, error) {
	for _, text := range values {
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return nil, unconvertible("'%s' is not an integer", clip(text))
		}
	}
	return func(v *V) bool {
		n := get(v)
		return n != nil && slices.Contains(values, fmt.Sprint(n))
	}, nil
}

// parseBool reads a boolean as the API takes it in filters and bodies: all the
// words that Neutron takes.
func parseBool(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "t", "yes", "y", "on", "1":
		return true, true
	case "false", "f", "no", "n", "off", "0":
		return false, true
	}
	return false, false
}

// tagFilter is a filter of tagged resources: all of the tags, any of them, or
// the opposite of either.
func tagFilter(name string, values []string) func(tags []string) bool {
	want := map[string]bool{}
	for _, v := range values {
		for tag := range strings.SplitSeq(v, ",") {
			want[tag] = true
		}
	}
	// An object has each tag once.
	all := func(tags []string) bool {
		found := 0
		for _, tag := range tags {
			if want[tag] {
				found++
			}
		}
		return found == len(want)
	}
	some := func(tags []string) bool {
		return slices.ContainsFunc(tags, func(tag string) bool { return want[tag] })
	}
	switch name {
	case "tags":
		return all
	case "tags-any":
		return some
	case "not-tags":
		return func(tags []string) bool { return !all(tags) }
	case "not-tags-any":
		return func(tags []string) bool { return !some(tags) }
	}
	return nil
}
