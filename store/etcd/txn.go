package etcd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/lepton-sdn/lepton/store"
)

// maxWitnesses is how many of a transaction's operations, and of its conditions,
// are looked at to find out whether it happened: all of them happen at once, so a
// few are enough, and etcd takes 128 in one transaction.
const maxWitnesses = 60

// Txn is store.Store's. When a member fails while it has the transaction, the
// next one is asked, and it still happens once at most: see repeatable, and fence.
func (s *Store) Txn(ctx context.Context, txn store.Txn) (store.Result, error) {
	if err := txn.Check(); err != nil {
		return store.Result{}, err
	}
	if err := s.disk.allows(); err != nil {
		return store.Result{}, s.failed("commit", err)
	}
	cmps, ops := s.translate(txn)
	ctx, done := s.bound(ctx)
	defer done()
	if ctx.Err() != nil {
		return store.Result{}, s.failed("commit", ctx.Err())
	}
	var resp *clientv3.TxnResponse
	var doubt error // of a try that may have happened or may happen yet
	once := !repeatable(txn)
	final := func(err error) bool {
		if certain(err) {
			return refused(err)
		}
		doubt = err
		return once
	}
	err := s.each(ctx, firstTry, final, func(ctx context.Context) (err error) {
		if doubt != nil {
			if err := s.move(ctx); err != nil {
				return err
			}
		}
		resp, err = s.try(ctx, cmps, ops)
		return err
	})
	switch {
	case err != nil && doubt != nil:
		return store.Result{}, s.failed("commit", doubt)
	case err != nil:
		return store.Result{}, s.failed("commit", err)
	case resp.Succeeded:
		s.raise(resp.Header.Revision)
		return store.Result{OK: true, Revision: resp.Header.Revision}, nil
	case doubt != nil:
		return s.settle(ctx, txn, doubt)
	}
	res := store.Result{}
	if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
		res.Revision = kvs[0].ModRevision
		s.raise(res.Revision)
	}
	return res, nil
}

// try asks once, or again where only the fence was another one.
func (s *Store) try(ctx context.Context, cmps []clientv3.Cmp, ops []clientv3.Op) (*clientv3.TxnResponse, error) {
	for {
		revision, stands := s.fence.condition()
		resp, err := s.client.Txn(ctx).If(append(slices.Clip(cmps), stands)...).Then(ops...).
			Else(clientv3.OpGet(s.root+headKey), clientv3.OpGet(s.fence.key)).Commit()
		if err != nil || resp.Succeeded {
			return resp, err
		}
		now := int64(0)
		if kvs := resp.Responses[1].GetResponseRange().Kvs; len(kvs) > 0 {
			now = kvs[0].ModRevision
		}
		if now == revision {
			return resp, nil
		}
		s.fence.revision.Store(now)
	}
}

// translate gives a transaction's conditions and operations in etcd's terms.
func (s *Store) translate(txn store.Txn) ([]clientv3.Cmp, []clientv3.Op) {
	cmps := make([]clientv3.Cmp, 0, len(txn.Conds))
	for _, c := range txn.Conds {
		cmps = append(cmps, s.compare(c))
	}
	ops := make([]clientv3.Op, 0, len(txn.Ops)+1)
	for _, op := range txn.Ops {
		if op.Deleted {
			ops = append(ops, clientv3.OpDelete(s.root+op.Key))
		} else {
			ops = append(ops, clientv3.OpPut(s.root+op.Key, string(op.Value)))
		}
	}
	return cmps, append(ops, clientv3.OpPut(s.root+headKey, ""))
}

// repeatable reports whether a transaction can be asked for again: its conditions
// do not hold any more when it has happened, until somebody else changes what it
// has done.
func repeatable(txn store.Txn) bool {
	exact := make(map[string]int64, len(txn.Conds))
	for _, c := range txn.Conds {
		if !c.Prefix {
			exact[c.Key] = c.Revision
		}
	}
	for _, op := range txn.Ops {
		if revision, ok := exact[op.Key]; ok && (!op.Deleted || revision > 0) {
			return true
		}
	}
	return false
}

// certain reports whether an error says that the transaction did not happen and
// will not.
func certain(err error) bool {
	return refused(err) || errors.Is(err, rpctypes.ErrNoLeader) || errors.Is(err, rpctypes.ErrTooManyRequests)
}

// refused reports whether an error is one that every member gives.
func refused(err error) bool {
	for _, e := range []error{rpctypes.ErrCompacted, rpctypes.ErrTooManyOps, rpctypes.ErrRequestTooLarge, rpctypes.ErrNoSpace} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// settle finds out what became of a transaction whose conditions do not hold
// after an earlier try was left in doubt: whether it happened, or never will. If
// that cannot be told, as that try may be on its way still, it is an error.
func (s *Store) settle(ctx context.Context, txn store.Txn, doubt error) (store.Result, error) {
	ops := txn.Ops[:min(len(txn.Ops), maxWitnesses)]
	conds := txn.Conds[:min(len(txn.Conds), maxWitnesses)]
	gets := []clientv3.Op{clientv3.OpGet(s.root + headKey)}
	for _, op := range ops {
		gets = append(gets, clientv3.OpGet(s.root+op.Key))
	}
	for _, c := range conds {
		gets = append(gets, clientv3.OpGet(s.root+c.Key))
	}
	var resp *clientv3.TxnResponse
	err := s.each(ctx, firstTry, refused, func(ctx context.Context) (err error) {
		resp, err = s.client.Txn(ctx).Then(gets...).Commit()
		return err
	})
	if err != nil {
		return store.Result{}, s.failed("commit", doubt)
	}
	there := make([]*mvccpb.KeyValue, len(gets)) // nil: not there
	for i, r := range resp.Responses {
		if kvs := r.GetResponseRange().Kvs; len(kvs) > 0 {
			there[i] = kvs[0]
		}
	}
	head := modRevision(there[0])
	if revision, ok := happened(ops, there[1:], head); ok {
		return store.Result{OK: true, Revision: revision}, nil
	}
	if nothingOf(ops, conds, there[1:]) && never(conds, there[1+len(ops):]) {
		return store.Result{Revision: head}, nil
	}
	return store.Result{}, s.failed("commit", doubt)
}

// modRevision is 0 for a key that is not there, as in conditions.
func modRevision(kv *mvccpb.KeyValue) int64 {
	if kv == nil {
		return 0
	}
	return kv.ModRevision
}

// happened reports whether all keys are as the operations leave them, and since
// which revision: what is put has one and the same.
func happened(ops []store.Op, there []*mvccpb.KeyValue, head int64) (int64, bool) {
	var revision int64
	for i, op := range ops {
		kv := there[i]
		switch {
		case op.Deleted && kv == nil:
			continue
		case op.Deleted, kv == nil, !bytes.Equal(kv.Value, op.Value), revision != 0 && kv.ModRevision != revision:
			return 0, false
		}
		revision = kv.ModRevision
	}
	return cmp.Or(revision, head), true
}

// nothingOf reports whether one of the keys is as the conditions want it, though
// an operation would have changed it.
func nothingOf(ops []store.Op, conds []store.Cond, there []*mvccpb.KeyValue) bool {
	wanted := map[string]int64{}
	for _, c := range conds {
		if !c.Prefix {
			wanted[c.Key] = c.Revision
		}
	}
	for i, op := range ops {
		revision, ok := wanted[op.Key]
		if ok && modRevision(there[i]) == revision && (!op.Deleted || revision > 0) {
			return true
		}
	}
	return false
}

// never reports whether one of the conditions cannot come to hold again: a key
// that has left a revision does not come back to it.
func never(conds []store.Cond, there []*mvccpb.KeyValue) bool {
	for i, c := range conds {
		if !c.Prefix && c.Revision > 0 && modRevision(there[i]) != c.Revision {
			return true
		}
	}
	return false
}

func (s *Store) compare(c store.Cond) clientv3.Cmp {
	cmp := clientv3.ModRevision(s.root + c.Key)
	if !c.Prefix {
		return clientv3.Compare(cmp, "=", c.Revision)
	}
	// A range without keys compares as one key of revision 0.
	return clientv3.Compare(cmp.WithPrefix(), "<", c.Revision+1)
}
