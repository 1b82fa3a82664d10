package records

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lepton-sdn/lepton/store"
)

// layoutVersion is the version of keys and values that this program writes. It
// grows when an older program would misread them.
const layoutVersion = 1

// layout is the value of the schema key.
type layout struct {
	Version int `json:"version"`
}

// ensureSchema writes the layout's version into a new store, and refuses a store
// whose layout is newer than this program.
func ensureSchema(ctx context.Context, s store.Store) error {
	value, err := json.Marshal(layout{Version: layoutVersion})
	if err != nil {
		return err
	}
	res, err := s.Txn(ctx, store.Txn{
		Conds: []store.Cond{store.Absent(schemaKey)},
		Ops:   []store.Op{store.Put(schemaKey, value)},
	})
	if err != nil {
		return fmt.Errorf("write the store's layout: %w", err)
	}
	if res.OK {
		return nil
	}
	var found layout
	_, err = s.Range(ctx, schemaKey, func(kv store.KV) error {
		if kv.Key != schemaKey {
			return nil
		}
		return json.Unmarshal(kv.Value, &found)
	})
	if err != nil {
		return fmt.Errorf("read the store's layout: %w", err)
	}
	if found.Version > layoutVersion {
		return fmt.Errorf("the store's layout is version %d, this program knows up to %d: upgrade it", found.Version, layoutVersion)
	}
	return nil
}
