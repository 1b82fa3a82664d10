package etcd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A try of a transaction whose answer did not come may lie in a member for
// seconds, until its disk or another leader lets it go on. By then what the next
// try has made may be deleted again, and the conditions of the first one hold once
// more. So every transaction depends on a fence, too: a key whose revision is
// another one before there is a next try.

// fencePrefix begins the fences' keys.
const fencePrefix = ".fence/"

// fences is how many there are for all controllers. Who shares one asks again
// when the other has moved it.
const fences = 16

// fence is the one of a store.
type fence struct {
	key string
	// revision is as far as is known, 0 for none: a try that depends on another one
	// fails, and tells.
	revision atomic.Int64
}

func (f *fence) choose(root string) { f.key = fmt.Sprint(root, fencePrefix, rand.IntN(fences)) }

// condition gives the revision on which a try depends, and that in etcd's terms.
func (f *fence) condition() (int64, clientv3.Cmp) {
	revision := f.revision.Load()
	return revision, clientv3.Compare(clientv3.ModRevision(f.key), "=", revision)
}

// move keeps all tries from happening that are on their way.
func (s *Store) move(ctx context.Context) error {
	resp, err := s.client.Put(ctx, s.fence.key, "")
	if err != nil {
		return err
	}
	s.fence.revision.Store(resp.Header.Revision)
	return nil
}

// fenced reports whether a key below the root is a fence, of which nobody is told.
func fenced(rel string) bool { return strings.HasPrefix(rel, fencePrefix) }
