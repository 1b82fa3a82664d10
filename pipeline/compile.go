package pipeline

// Compile gives the flow tables of a host. It is a pure function of v.
func Compile(v *View) *Program {
	return compileState(v).program()
}
