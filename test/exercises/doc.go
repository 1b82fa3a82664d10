// Package exercises runs the exercises of vagrant/exercises on a lab, checks the
// Vagrantfile, and provisions machines without a hypervisor as vagrant would its
// own: what is written for the machines of vagrant up must not rot where there
// are none.
package exercises
