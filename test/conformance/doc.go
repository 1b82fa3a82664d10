// Command conformance runs tempest's network API tests, as OpenStack's own
// projects use them, against lepton-controller:
//
//	tempest ──► Keystone (uWSGI, SQLite)
//	   │            ▲ validates tokens
//	   ├──────► lepton-controller
//	   └──────► a stand-in for Nova
//
// It starts all of them on free loopback ports in a directory of its own, with
// the network endpoint in Keystone's catalogue. tempest is told the extensions
// that the controller lists, and so decides which tests apply. The report names
// each test that failed, and each that was skipped with tempest's reason. The
// command succeeds when no test failed.
package main
