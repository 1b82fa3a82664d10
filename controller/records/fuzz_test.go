package records_test

import (
	"testing"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/mem"
)

// Whatever lies in the store under whatever key, the rest can be read, the key
// can be overwritten, and every table shows only records under their own id.
func FuzzAnyKeyAndValueInTheStore(f *testing.F) {
	f.Add("v1/security-groups/g", `{"id":"g","revision":3}`)
	f.Add("v1/security-groups/g", `{"id":"h"}`)
	f.Add("v1/ports/p", `{"id":"p","mac_address":"fa:16:3e:00:00:01","fixed_ips":[{"ip_address":"10.0.0.1"}]}`)
	f.Add("v1/ports/p", `null`)
	f.Add("v1/claims/ip/1", "p")
	f.Add("v1/claims/", "p")
	f.Add("v1//x", "{}")
	f.Add("v2/ports/p", "{}")
	f.Fuzz(func(t *testing.T, key, value string) {
		s := mem.New()
		if _, err := s.Txn(t.Context(), store.Txn{Ops: []store.Op{store.Put(key, []byte(value))}}); err != nil {
			return // not a key
		}
		db, err := records.Open(t.Context(), s, zap.NewNop())
		if err != nil {
			return // a layout that is not ours
		}
		defer db.Close()
		update(t, db, func(u *records.Update) error {
			records.SecurityGroups.Put(u, group("g", 7))
			records.Ports.Delete(u, "p")
			return nil
		})
		r := view(t, db)
		if g, ok := records.SecurityGroups.Get(r, "g"); !ok || g.Revision != 7 || has(records.Ports, r, "p") {
			t.Errorf("%q = %q is in the way", key, value)
		}
		for p := range records.Ports.All(r) {
			if !has(records.Ports, r, p.ID) {
				t.Errorf("port %q is not found by its id", p.ID)
			}
		}
	})
}
