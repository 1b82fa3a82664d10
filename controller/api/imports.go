package api

import (
	"regexp"
	"time"

	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Extension lepton-import: an administrator makes an object that another network
// service had, with its id. The attribute is one of creates only and is never
// shown.
const importAttr = plugin.ImportAttr

// importPart is what an import has for objects of one resource only.
type importPart[S any] struct {
	name  string
	check check
	set   func(*S, any)
}

// imported is a checked value of the attribute.
type imported struct {
	id     string
	fields map[string]any // by name, checked
}

// importRow is the attribute of a resource whose requests are read into an S.
func importRow[S, V any](meta func(*S) *model.Meta, parts ...importPart[S]) attr[S, V] {
	checks := map[string]check{
		"id": importID, "created_at": importTime, "updated_at": importTime,
		"revision_number": integer(0, 1<<53), "tags": tagList,
	}
	for _, part := range parts {
		checks[part.name] = part.check
	}
	return attr[S, V]{
		name: importAttr, create: true, check: importObject(checks),
		set: func(s *S, v any) {
			o := v.(*imported)
			o.identify(meta(s))
			for _, part := range parts {
				if value, ok := o.fields[part.name]; ok {
					part.set(s, value)
				}
			}
		},
	}
}

// identify gives an object what it had.
func (o *imported) identify(m *model.Meta) {
	m.ID = o.id
	m.CreatedAt, _ = o.fields["created_at"].(time.Time)
	m.UpdatedAt, _ = o.fields["updated_at"].(time.Time)
	m.Tags, _ = o.fields["tags"].([]string)
	if n, ok := o.fields["revision_number"].(int); ok {
		m.Revision = int64(n)
	}
}

// importObject takes an object with an id and others of the fields.
func importObject(fields map[string]check) check {
	return func(v any) (any, error) {
		o, ok := v.(map[string]any)
		if !ok {
			return nil, wrong("'%s' is not a dictionary", textOf(v))
		}
		out := &imported{fields: map[string]any{}}
		for name, value := range o {
			field, known := fields[name]
			if !known {
				return nil, wrong("Unexpected keys supplied: %s", clip(name))
			}
			checked, err := field(value)
			if err != nil {
				return nil, wrong("%s: %s", name, err)
			}
			out.fields[name] = checked
		}
		if out.id, ok = out.fields["id"].(string); !ok {
			return nil, wrong("id is missing")
		}
		return out, nil
	}
}

// importedID is a UUID in its one canonical form (RFC 9562, section 4): ids are
// compared as text.
var importedID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func importID(v any) (any, error) {
	if s, ok := v.(string); ok && importedID.MatchString(s) {
		return s, nil
	}
	return nil, wrong("'%s' is not a UUID of lower-case digits with hyphens", textOf(v))
}

// importTime takes a time of RFC 3339 that has passed.
func importTime(v any) (any, error) {
	s, _ := v.(string)
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil, wrong("'%s' is not a time like 2026-11-26T12:00:00Z", textOf(v))
	}
	if t.After(time.Now().Add(maxClockError)) {
		return nil, wrong("'%s' is in the future", textOf(v))
	}
	return t.UTC().Truncate(time.Second), nil
}

// maxClockError is how far another service's clock may be ahead.
const maxClockError = 24 * time.Hour

// importPort takes the id and the MAC of a port.
func importPort(v any) (any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, wrong("'%s' is not a dictionary", textOf(v))
	}
	if err := only(o, "id", "mac_address"); err != nil {
		return nil, err
	}
	id, err := importID(o["id"])
	if err != nil {
		return nil, err
	}
	m, err := mac(o["mac_address"])
	if err != nil {
		return nil, err
	}
	return &plugin.ImportedPort{ID: id.(string), MAC: m.(model.MAC)}, nil
}

// importIDs takes a list of different ids.
func importIDs(v any) (any, error) {
	ids, err := uuidList(v)
	if err != nil {
		return nil, err
	}
	for _, id := range ids.([]string) {
		if _, err := importID(id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// checkImport refuses imports by others than administrators, and of what is
// there.
func (c *collection[S, V]) checkImport(rq *request, u *records.Update, g given) error {
	value, ok := g.values[importAttr]
	if !ok {
		return nil
	}
	if !rq.who.Admin {
		return forbidden("create_" + c.member + ":" + importAttr)
	}
	if id := value.(*imported).id; c.exists(u, id) {
		return plugin.AlreadyThere(c.title, id)
	}
	return nil
}

// exists reports whether an object of the id is there, below another parent too.
func (c *collection[S, V]) exists(r records.Reader, id string) bool {
	if c.anywhere != nil {
		return c.anywhere(r, id)
	}
	_, ok := c.find(r, id)
	return ok
}
