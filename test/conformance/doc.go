// Command conformance runs what stock clients and OpenStack's own projects have
// for the Networking API against lepton-controller with a real Keystone:
//
//	openstack ─┬─► Keystone (uWSGI, SQLite)
//	tempest   ─┤      ▲ validates tokens
//	           ├─► lepton-controller ◄── agents of three hosts, without switches
//	           └─► a stand-in for Nova
//
// It starts all of them on free loopback ports in a directory of its own, and
// registers the network endpoint in Keystone's catalogue by the commands of
// docs/openstack.md. Its own view of /etc, /usr/local and /var/lib, in memory, lets
// it write what pages say without touching the machine. First it walks through the
// commands of the openstack client (package walk), then it runs tempest's
// network API tests and those of Neutron's own plugin for tempest. tempest is
// told the extensions that the controller lists, and so decides which tests
// apply. The report names each test that failed, each that was skipped with
// tempest's reason, and each that is known to fail with ours. Tests that
// fail beside others run again alone. The command succeeds when no other test
// failed.
package main
