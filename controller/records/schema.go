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
// whose layout is newer than this program. It looks first: a store that is full
// is not asked to write what it has.
func ensureSchema(ctx context.Context, s store.Store) error {
	found, err := readSchema(ctx, s)
	if err != nil {
		return err
	}
	if found.Version == 0 {
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
		// Another controller was first.
		if found, err = readSchema(ctx, s); err != nil {
			return err
		}
	}
	if found.Version > layoutVersion {
		return fmt.Errorf("the store's layout is version %d, this program knows up to %d: upgrade it", found.Version, layoutVersion)
	}
	return nil
}

// readSchema gives the layout of a store; the zero one when it has none.
func readSchema(ctx context.Context, s store.Store) (found layout, err error) {
	_, err = s.Range(ctx, schemaKey, func(kv store.KV) error {
		if kv.Key != schemaKey {
			return nil
		}
		return json.Unmarshal(kv.Value, &found)
	})
	if err != nil {
		return layout{}, fmt.Errorf("read the store's layout: %w", err)
	}
	return found, nil
}
