// Package e2e runs whole clouds: labs with the real programs, networks and
// ports made through the API, guests, and packets between them. It needs root
// and the programs in bin, as `make test` provides them.
//
// Cloud is what the tests share. It fails the test by itself, shows logs,
// flows and status when the test has failed, and always takes its lab down.
//
// Tests run beside each other, in labs of their own, but for those that count
// lost packets, load the machine, or build labs in time.
package e2e
