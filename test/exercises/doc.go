// Package exercises runs the exercises of vagrant/exercises on a lab, and checks
// the Vagrantfile: what is written for the machines of vagrant up must not rot
// where there are none.
package exercises
