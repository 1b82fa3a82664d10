package api

import (
	"cmp"
	"slices"
	"strings"
)

// sortRows orders a list by attributes, and by id where they are equal.
func sortRows[V any](rows []*V, keys []func(*V) any, down []bool, id func(*V) string) {
	slices.SortStableFunc(rows, func(a, b *V) int {
		for i, key := range keys {
			if c := compareValues(key(a), key(b)); c != 0 {
				if down[i] {
					return -c
				}
				return c
			}
		}
		return strings.Compare(id(a), id(b))
	})
}

// compareValues orders two values of one attribute; null comes first.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case bool:
		if b, ok := b.(bool); ok {
			return cmp.Compare(bit(a), bit(b))
		}
	case int:
		if b, ok := b.(int); ok {
			return cmp.Compare(a, b)
		}
	case uint32:
		if b, ok := b.(uint32); ok {
			return cmp.Compare(a, b)
		}
	}
	return cmp.Compare(bit(a != nil), bit(b != nil))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// page cuts a sorted list to what the query asks for: limit rows after the
// marker, or before it when the page is reversed. found is false when there is
// no row with the marker's id.
func page[V any](rows []*V, q *query, id func(*V) string) (cut []*V, found bool) {
	at := -1
	if q.marker != "" {
		at = slices.IndexFunc(rows, func(v *V) bool { return id(v) == q.marker })
		if at < 0 {
			return nil, false
		}
	}
	if q.reverse {
		if at >= 0 {
			rows = rows[:at]
		}
		if q.limit > 0 && len(rows) > q.limit {
			rows = rows[len(rows)-q.limit:]
		}
		return rows, true
	}
	rows = rows[at+1:]
	if q.limit > 0 && len(rows) > q.limit {
		rows = rows[:q.limit]
	}
	return rows, true
}

// pageLinks are the addresses of the pages around one of n objects, of which the
// first and the last have the ids: no next where the list ends with this page,
// and no previous where it begins. Behind the end there is an empty page, and
// from there back is the last page, which needs no id.
func pageLinks(address string, q *query, ids [2]string, n int) []object {
	if q.limit == 0 {
		return nil
	}
	var links []object
	if n >= q.limit || q.reverse {
		links = append(links, object{{"rel", "next"}, {"href", address + "?" + q.page(ids[1], false)}})
	}
	if n >= q.limit || !q.reverse {
		links = append(links, object{{"rel", "previous"}, {"href", address + "?" + q.page(ids[0], true)}})
	}
	return links
}
