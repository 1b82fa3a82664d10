package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// cookieForm is how ovs-ofctl shows a flow's cookie.
var cookieForm = regexp.MustCompile(`cookie=(0x[0-9a-f]+)`)

// cookies gives those of all flows of a host.
func (t *takeover) cookies(ctx context.Context, host string) ([]string, error) {
	out, err := t.enter(ctx, host, "for bridge in br-int br-tun br-"+t.Physical+"; do ovs-ofctl dump-flows --no-stats $bridge; done")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range cookieForm.FindAllStringSubmatch(out, -1) {
		if m[1] != "0x0" {
			all = append(all, m[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// remember notes whose flows there are before the service changes.
func (t *takeover) remember(ctx context.Context) error {
	t.before = map[string][]string{}
	for host := range agentsOf {
		all, err := t.cookies(ctx, host)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return fmt.Errorf("%s has no flows", host)
		}
		t.before[host] = all
	}
	return nil
}

// gone asks that nothing of the service before is left: its flows, its processes
// by a word of their command lines, its rules by another one.
func (t *takeover) gone(ctx context.Context, process, rule string) error {
	for host, before := range t.before {
		now, err := t.cookies(ctx, host)
		if err != nil {
			return err
		}
		for _, cookie := range before {
			if slices.Contains(now, cookie) {
				return fmt.Errorf("%s still has flows with the cookie %s", host, cookie)
			}
		}
	}
	var own string
	for _, h := range t.lab.Plan().Hosts {
		if h.Name == "net1" {
			own = h.Namespace
		}
	}
	out, err := t.enter(ctx, "net1", `set +x
for ns in $(ip netns list | grep -oE '^(qrouter|qdhcp)-[^ ]+'); do
	echo "namespace $ns"
	for pid in $(ip netns pids $ns); do echo "process $(tr '\0' ' ' </proc/$pid/cmdline)"; done
	ip netns exec $ns iptables-save | sed 's/^/rule /'
done
for pid in $(ip netns pids `+own+`); do echo "process $(tr '\0' ' ' </proc/$pid/cmdline)"; done`)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		kind, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind == "process" && strings.Contains(text, process) || kind == "rule" && strings.Contains(text, rule) {
			return fmt.Errorf("net1 still has the %s %s", kind, text)
		}
	}
	if n := strings.Count(out, "namespace qrouter-"+t.ids["router"]); n != 1 {
		return fmt.Errorf("the router has %d namespaces:\n%s", n, out)
	}
	return nil
}
