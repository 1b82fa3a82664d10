package ovsdb

// Needed reports whether the database in this state lacks something of op, so
// that a planner can say what it wants in full and keep what is missing. An op
// that cannot be carried out in this state is needed: Commit then says why.
func Needed(have State, op Op) bool {
	e, err := encode(have, []Op{op})
	return err != nil || len(e.wire) > 0
}
