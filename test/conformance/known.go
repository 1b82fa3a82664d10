package main

import (
	"maps"
	"slices"
)

// known are the tests that cannot pass yet, by name, with the reason. One that
// passes nevertheless fails the run, so that the table stays true.
var known = map[string]string{
	"neutron_tempest_plugin.api.test_routers.RoutersTest.test_router_interface_status":     "an interface of a router is DOWN until hosts realise routers",
	"neutron_tempest_plugin.api.test_routers.RoutersIpV6Test.test_router_interface_status": "an interface of a router is DOWN until hosts realise routers",
}

// excused gives the report with the known failures apart.
func (r report) excused(known map[string]string) report {
	var failed []outcome
	for _, o := range r.failed {
		if reason := known[o.test]; reason != "" {
			r.known = append(r.known, outcome{o.test, reason})
			continue
		}
		failed = append(failed, o)
	}
	for _, test := range slices.Sorted(maps.Keys(known)) {
		if slices.Contains(r.passed, test) {
			failed = append(failed, outcome{test, "passes: take it out of the table of known failures"})
		}
	}
	r.failed = failed
	return r
}
