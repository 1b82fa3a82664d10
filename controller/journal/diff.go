package journal

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// maxValue is the longest value of an attribute that is written down, in bytes.
const maxValue = 1 << 10

// field is one of a record type, with those of embedded structs.
type field struct {
	index []int
	name  string // in JSON
}

// fieldsOf lists the fields of a record type.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "-" || name == "" || !f.IsExported() {
			continue
		}
		out = append(out, field{f.Index, name})
	}
	return out
}

// differ finds what differs between two records. It knows the types that it may
// meet.
type differ struct{ fields map[reflect.Type][]field }

func newDiffer() *differ { return &differ{map[reflect.Type][]field{}} }

// learn makes the record's type known.
func (d *differ) learn(rec any) {
	t := reflect.TypeOf(rec).Elem()
	d.fields[t] = fieldsOf(t)
}

// attributes gives the attributes that differ between two records of a table,
// either of which may be nil: then the attributes that the other one has.
func (d *differ) attributes(table string, r *resource, before, after any) []Attribute {
	some := after
	if some == nil {
		some = before
	}
	t := reflect.TypeOf(some).Elem()
	fields, ok := d.fields[t]
	if !ok {
		fields = fieldsOf(t)
	}
	var out []Attribute
	for _, f := range fields {
		if slices.Contains(plain, f.name) || slices.Contains(r.hidden, f.name) || f.name == "name" && (before == nil || after == nil) {
			continue
		}
		old, now := valueOf(before, f), valueOf(after, f)
		if old.IsValid() && now.IsValid() && reflect.DeepEqual(old.Interface(), now.Interface()) {
			continue
		}
		a := Attribute{Name: f.name}
		if name, ok := r.rename[f.name]; ok {
			a.Name = name
		}
		if slices.Contains(r.secret, f.name) {
			if a.Secret = !empty(old) || !empty(now); a.Secret {
				out = append(out, a)
			}
			continue
		}
		a.Old, a.New = jsonOf(table, f, old), jsonOf(table, f, now)
		if bytes.Equal(a.Old, a.New) {
			continue
		}
		if len(a.Old) > maxValue || len(a.New) > maxValue {
			a.Old, a.New, a.Clipped = nil, nil, true
		}
		out = append(out, a)
	}
	return out
}

func valueOf(rec any, f field) reflect.Value {
	if rec == nil {
		return reflect.Value{}
	}
	return reflect.ValueOf(rec).Elem().FieldByIndex(f.index)
}

func empty(v reflect.Value) bool { return !v.IsValid() || v.IsZero() }

// jsonOf is a value as JSON; nil where there is nothing to say.
func jsonOf(table string, f field, v reflect.Value) json.RawMessage {
	if empty(v) && (!v.IsValid() || v.Kind() != reflect.Bool) {
		return nil
	}
	b, err := json.Marshal(shown(table, f.name, v.Interface()))
	if err != nil || bytes.Equal(b, jsonNull) || bytes.Equal(b, []byte(`""`)) {
		return nil
	}
	return b
}
