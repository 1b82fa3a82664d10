// Package ipam knows the arithmetic of subnets: the default gateway and
// allocation pools of a range, which addresses a port may have, how many there
// are, and which free one to hand out next.
//
// It holds no state. That an address is taken is a unique key in the store;
// Pick asks for it through a function, and finds a free address without walking
// the pool, however large it is.
package ipam
