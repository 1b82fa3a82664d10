// Package journal keeps who changed what, and which hosts applied it when.
//
// An event of a change is written by the transaction that makes the change, so
// the journal tells exactly what happened, through whichever controller:
//
//	records.Update ──changes──▶ Journal.Note ──one key more──▶ the same transaction
//
// What hosts say is written beside it: states of objects by the transaction that
// stores them, what hosts have applied by Ledger, once a second at most, however
// many hosts and changes there are.
//
// Events are not records: no controller holds them in memory. They lie in the
// store under two prefixes, changes and what hosts say, each in the order of
// time, the newest first (see Key), and are read in pages. Keeper, the duty of
// one controller, removes what is older or more than the configuration says.
//
// Readers ask Journal.Read for events, and Journal.Departed for what hosts had of
// their own and have no more: the proof that a record which a snapshot lacks was
// deleted, and not lost.
package journal
