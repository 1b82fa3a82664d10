// Package security tries on real programs what a thief of a host's certificate,
// a careless log and a changed authority could do. It needs root.
package security
