// Package etcd keeps a store.Store in etcd: in one that runs inside the program
// (OpenEmbedded), for a single controller, or in a cluster (OpenExternal), for
// several. Both are the same code over etcd's client; the embedded one is
// called directly and listens nowhere.
//
// All keys lie under a root, "/lepton/" unless told otherwise, so that a cluster
// can be shared. One key more, <root>.head, is put by every transaction: its
// revision is the head of the store.
//
// etcd keeps every revision until it is told to forget. A store compacts what
// is older than a few minutes, the whole cluster's history, as its other users
// (Kubernetes, for one) do too.
package etcd
