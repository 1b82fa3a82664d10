package neutron

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Object is an object of the API, or a part of one, as its JSON has it.
type Object map[string]any

// text gives an attribute that is a string; "" for others.
func (o Object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

// id of the object.
func (o Object) id() string { return o.text("id") }

// project is the owner, by its newer or its older name.
func (o Object) project() string {
	if p := o.text("project_id"); p != "" {
		return p
	}
	return o.text("tenant_id")
}

// objects gives the members of an attribute that is a list of objects.
func (o Object) objects(name string) []Object {
	items, _ := o[name].([]any)
	out := make([]Object, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// with gives the attributes of those names that the object has and that are not
// null.
func (o Object) with(names []string) Object {
	out := Object{}
	for _, name := range names {
		if v, ok := o[name]; ok && v != nil {
			out[name] = v
		}
	}
	return out
}

// Snapshot is what a service has, by resource; Quotas are under the resource
// "quota", one for each project that has its own.
type Snapshot struct {
	Extensions map[string]bool // by alias
	Objects    map[string][]Object
}

// byID finds objects of a resource.
func (s Snapshot) byID(kind string) map[string]Object {
	out := make(map[string]Object, len(s.Objects[kind]))
	for _, o := range s.Objects[kind] {
		out[o.id()] = o
	}
	return out
}

// same reports whether two values of an attribute mean the same: the order of
// lists, letters' case of MACs, and nothing in its several forms do not count.
func same(a, b any) bool { return canonical(a) == canonical(b) }

// canonical writes a value so that equal ones are written alike.
func canonical(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.ToLower(v)
	case []any:
		items := make([]string, 0, len(v))
		for _, item := range v {
			items = append(items, canonical(item))
		}
		slices.Sort(items)
		return strings.Join(items, ",")
	case Object:
		return canonicalMembers(v)
	case map[string]any:
		return canonicalMembers(v)
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}

func canonicalMembers(m map[string]any) string {
	members := make([]string, 0, len(m))
	for name, value := range m {
		if text := canonical(value); text != "" {
			members = append(members, name+"="+text)
		}
	}
	slices.Sort(members)
	return strings.Join(members, ";")
}
