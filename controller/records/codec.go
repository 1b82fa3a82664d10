package records

import (
	"encoding/json"
	"strings"
)

// encode and decode are the only place that knows how a record is written in
// the store: as JSON, so that an operator can read it with etcdctl.
func encode(rec any) ([]byte, error) { return json.Marshal(rec) }

func decode(b []byte, rec any) error { return json.Unmarshal(b, rec) }

// Keys in the store, relative to its root:
//
//	schema                   the layout, as Schema
//	v1/<table>/<id>          a record
//	v1/claims/<claim's key>  a claim; the value is the owner
//
// Other keys are not the records': see package journal.
const (
	schemaKey  = "schema"
	dataPrefix = "v1/"
	claimsName = "claims"
)

func recordKey(t *tableDef, id string) string { return dataPrefix + t.name + "/" + id }

func claimKey(key string) string { return dataPrefix + claimsName + "/" + key }

// splitKey takes apart a record's or a claim's key; ok is false for any other.
func splitKey(key string) (table, id string, ok bool) {
	rest, ok := strings.CutPrefix(key, dataPrefix)
	if !ok {
		return "", "", false
	}
	table, id, ok = strings.Cut(rest, "/")
	return table, id, ok && id != ""
}
