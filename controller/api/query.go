package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

// maxParameters bounds the query of a request.
const maxParameters = 5000

// query is what stands behind the question mark.
type query struct {
	// parameters are all of them, in their order.
	parameters []parameter
	fields     map[string]bool // empty: all
	sortKeys   []string
	sortDown   []bool
	limit      int // 0: none
	marker     string
	reverse    bool
	// filters is attribute → values, any of which may match; order is the order
	// in which the attributes first appear.
	filters map[string][]string
	order   []string
}

// only gives the members of an object that the fields name, all without fields.
func (q *query) only(o object) object {
	if len(q.fields) == 0 {
		return o
	}
	return slices.DeleteFunc(o, func(m member) bool { return !q.fields[m.name] })
}

type parameter struct{ name, value string }

// parseQuery reads a query. Whether filters, fields and sort keys are known is
// for the collection to say.
func parseQuery(raw string) (query, error) {
	q := query{fields: map[string]bool{}, filters: map[string][]string{}}
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		var p parameter
		var err error
		if p.name, err = url.QueryUnescape(name); err != nil {
			return q, badRequest("The query cannot be read: %q.", clip(part))
		}
		if p.value, err = url.QueryUnescape(value); err != nil {
			return q, badRequest("The query cannot be read: %q.", clip(part))
		}
		if !utf8.ValidString(p.name) || !utf8.ValidString(p.value) {
			return q, badRequest("The query is not UTF-8: %q.", clip(part))
		}
		if q.parameters = append(q.parameters, p); len(q.parameters) > maxParameters {
			return q, badRequest("The query has more than %d parameters.", maxParameters)
		}
		if err := q.add(p); err != nil {
			return q, err
		}
	}
	if len(q.sortKeys) != len(q.sortDown) {
		if len(q.sortDown) != 0 {
			return q, badRequest("The number of sort_keys and sort_dirs must be same")
		}
		q.sortDown = make([]bool, len(q.sortKeys))
	}
	q.distinctKeys()
	return q, nil
}

// distinctKeys drops the sort keys that came before: they decide nothing.
func (q *query) distinctKeys() {
	seen := map[string]bool{}
	n := 0
	for i, key := range q.sortKeys {
		if !seen[key] {
			seen[key] = true
			q.sortKeys[n], q.sortDown[n] = key, q.sortDown[i]
			n++
		}
	}
	q.sortKeys, q.sortDown = q.sortKeys[:n], q.sortDown[:n]
}

func (q *query) add(p parameter) error {
	switch p.name {
	case "fields":
		if p.value != "" {
			q.fields[p.value] = true
		}
	case "sort_key":
		q.sortKeys = append(q.sortKeys, p.value)
	case "sort_dir":
		if p.value != "asc" && p.value != "desc" {
			return badRequest("'%s' is an invalid value for sort direction(s)", clip(p.value))
		}
		q.sortDown = append(q.sortDown, p.value == "desc")
	case "limit":
		n, err := strconv.Atoi(p.value)
		if err != nil || n < 0 {
			return plugin.BadRequest("BadRequest", "Bad limit request: Limit must be an integer 0 or greater and not '%s'.", clip(p.value))
		}
		q.limit = n
	case "marker":
		q.marker = p.value
	case "page_reverse":
		q.reverse = strings.EqualFold(p.value, "true") || p.value == "1"
	default:
		if _, ok := q.filters[p.name]; !ok {
			q.order = append(q.order, p.name)
		}
		q.filters[p.name] = append(q.filters[p.name], p.value)
	}
	return nil
}

// page gives the query of another page: the same with another marker, or with
// none, for the first page and, reversed, for the last.
func (q *query) page(marker string, reverse bool) string {
	var all []string
	for _, p := range q.parameters {
		if p.name != "marker" && p.name != "page_reverse" {
			all = append(all, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
		}
	}
	if marker != "" {
		all = append(all, "marker="+url.QueryEscape(marker))
	}
	if reverse {
		all = append(all, "page_reverse=True")
	}
	return strings.Join(all, "&")
}
