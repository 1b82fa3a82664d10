// Package arch checks the shape of the module: which room may import which,
// how packages are called, and that each says what it is for.
package arch
