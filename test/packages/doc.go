// Package packages tests the Debian packages on machines with systemd: what an
// operator gets when installing, upgrading, removing and purging them.
package packages
