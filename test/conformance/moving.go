package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// moved is what is compared of both services: of each collection, which
// attributes are not what they were, because time went on or because hosts say.
func moved() map[string][]string {
	always := []string{"updated_at", "revision_number", "standard_attr_id", "status"}
	with := func(more ...string) []string { return append(more, always...) }
	return map[string][]string{
		"address-scopes address_scopes": always, "subnetpools subnetpools": always, "address-groups address_groups": always,
		"qos/policies policies":                               always,
		"security-groups security_groups":                     with("security_group_rules"), // compared by themselves
		"security-group-rules security_group_rules":           with("belongs_to_default_sg"),
		"networks networks":                                   with("availability_zones", "l2_adjacency", "vlan_transparent"),
		"segments segments":                                   with("created_at", "description"), // new ones: they had only an id
		"subnets subnets":                                     always,
		"rbac-policies rbac_policies":                         always,
		"ports ports":                                         with("binding:vif_type", "binding:vif_details", "resource_request", "ip_allocation", "trunk_details"),
		"routers routers":                                     with("availability_zones"),
		"floatingips floatingips":                             with("port_details", "router_id", "port_forwardings"),
		"trunks trunks":                                       always,
		"floatingips/$fip3/port_forwardings port_forwardings": always,
		"routers/$router/conntrack_helpers conntrack_helpers": always,
	}
}

// moving imports a furnished Neutron into a Lepton without anything, twice, and
// compares what both say of each object.
func (c *cloud) moving(ctx context.Context) (report, error) {
	var r report
	for _, start := range []func(context.Context) error{c.startNeutron, c.startMoved} {
		if err := start(ctx); err != nil {
			return r, err
		}
	}
	names, err := c.furnish(ctx)
	if err != nil {
		return r, err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context, map[string]string) error
	}{
		{"a_dry_run_makes_nothing", c.dryRun},
		{"everything_is_taken", c.importAll},
		{"objects_are_what_they_were", c.compareAll},
		{"a_second_run_does_nothing", c.importAgain},
		{"differences_are_told", c.importDifferent},
		{"users_find_the_new_one_in_the_catalogue", c.pointCatalogue},
	} {
		if err := step.do(ctx, names); err != nil {
			r.failed = append(r.failed, outcome{"leptonctl.import." + step.name, strings.ReplaceAll(err.Error(), "\n", "; ")})
			continue
		}
		r.passed = append(r.passed, "leptonctl.import."+step.name)
	}
	return r, ctx.Err()
}

// imported is the report of leptonctl import.
type imported struct {
	Counts []struct {
		Kind                                  string
		Found, Present, Made, Failed, LeftOut int
	}
	Steps []struct{ Kind, ID, Does string }
	Notes []struct{ Kind, ID, Name, Verdict, Attribute, Reason string }
}

func (i imported) made() int {
	n := 0
	for _, c := range i.Counts {
		n += c.Made
	}
	return n
}

// leptonctl imports by the page's command, or only looks by the one before it, and
// gives the report and the exit code.
func (c *cloud) leptonctl(ctx context.Context, dry bool) (imported, int, error) {
	var out imported
	commands, err := marked(movingPage, "sh import")
	if err != nil || len(commands) != 2 {
		return out, 0, fmt.Errorf("%s has %d commands of the import: %w", movingPage, len(commands), err)
	}
	command := commands[1]
	if dry {
		command = strings.TrimSpace(commands[0]) + " -o json >import.json"
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-ec", strings.ReplaceAll(command, documentedAPI, "https://"+c.Moved))
	cmd.Dir, cmd.Env = c.Dir, append(environment(c.Dir), "OS_CLIENT_CONFIG_FILE="+filepath.Join(c.Dir, "clouds.yaml"), "PATH="+c.bin+":/usr/bin:/bin")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	ended := (*exec.ExitError)(nil)
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		return out, 0, err
	}
	b, err := os.ReadFile(filepath.Join(c.Dir, "import.json"))
	if err != nil {
		return out, 0, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, 0, fmt.Errorf("read the report: %w: %s", err, stderr.String())
	}
	return out, cmd.ProcessState.ExitCode(), nil
}

func (c *cloud) dryRun(ctx context.Context, _ map[string]string) error {
	out, _, err := c.leptonctl(ctx, true)
	if err != nil {
		return err
	}
	there, err := c.ask(ctx, http.MethodGet, c.Moved, "networks", "")
	if err != nil {
		return err
	}
	if len(out.Steps) < len(furniture()) || out.made() != 0 || len(listOf(there["networks"])) != 0 {
		return fmt.Errorf("%d steps for %d requests, made %d, and there are networks: %v", len(out.Steps), len(furniture()), out.made(), there)
	}
	return nil
}

func (c *cloud) importAll(ctx context.Context, _ map[string]string) error {
	out, code, err := c.leptonctl(ctx, false)
	if err != nil {
		return err
	}
	var wrong []string
	for _, n := range out.Notes {
		if n.Verdict != "left out" {
			wrong = append(wrong, fmt.Sprintf("%s %s %s %s %s: %s", n.Verdict, n.Kind, n.ID, n.Name, n.Attribute, n.Reason))
		}
	}
	if code != 0 || len(wrong) > 0 || out.made() < len(furniture()) {
		return fmt.Errorf("exit code %d, made %d; %s", code, out.made(), strings.Join(wrong, "; "))
	}
	return nil
}

func (c *cloud) importAgain(ctx context.Context, _ map[string]string) error {
	out, code, err := c.leptonctl(ctx, false)
	if err == nil && (code != 0 || out.made() != 0) {
		err = fmt.Errorf("exit code %d, made %d: %v", code, out.made(), out.Notes)
	}
	return err
}

// importDifferent changes an object on each side: the one in Lepton stays as it
// is, and the report tells of both.
func (c *cloud) importDifferent(ctx context.Context, names map[string]string) error {
	if _, err := c.ask(ctx, http.MethodPut, c.Moved, "networks/"+names["net"], `{"network": {"name": "renamed"}}`); err != nil {
		return err
	}
	if _, err := c.ask(ctx, http.MethodPut, c.Neutron, "ports/"+names["vm1"], `{"port": {"description": "changed"}}`); err != nil {
		return err
	}
	out, code, err := c.leptonctl(ctx, false)
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, n := range out.Notes {
		if n.Verdict == "differs" {
			told[n.ID+" "+n.Attribute] = true
		}
	}
	const incomplete = 7
	if code != incomplete || !told[names["net"]+" name"] || !told[names["vm1"]+" description"] || len(told) != 2 {
		return fmt.Errorf("exit code %d, told of %v", code, slices.Sorted(maps.Keys(told)))
	}
	return nil
}

// pointCatalogue types what the page has for Neutron's endpoints. Lepton's network
// has another name since importDifferent.
func (c *cloud) pointCatalogue(ctx context.Context, _ map[string]string) error {
	commands, err := onlyMarked(movingPage, "sh keystone: change over")
	if err != nil {
		return err
	}
	return c.enter(ctx, strings.ReplaceAll(commands, documentedAPI, "https://"+c.Moved)+
		"export OS_CACERT="+filepath.Join(c.Dir, "pki", "ca.pem")+" OS_REGION_NAME="+oldRegion+"\nopenstack network list -f value -c Name | grep -x renamed\n")
}

// compareAll compares all attributes of all objects.
func (c *cloud) compareAll(ctx context.Context, names map[string]string) error {
	var wrong []string
	different, all, ha := moved(), 0, "" // and the id of the network of ha routers
	for _, collection := range slices.Sorted(maps.Keys(different)) {
		path, plural, _ := strings.Cut(collection, " ")
		var both [2]map[string]map[string]any
		for i, address := range []string{c.Neutron, c.Moved} {
			answer, err := c.ask(ctx, http.MethodGet, address, named(names, path), "")
			if err != nil {
				return err
			}
			both[i] = map[string]map[string]any{}
			for _, o := range listOf(answer[plural]) {
				both[i][o["id"].(string)] = o
			}
		}
		if plural == "networks" {
			for id, n := range both[0] {
				if ownOfNeutron(n, "") {
					ha = id
				}
			}
		}
		for id, was := range both[0] {
			if ownOfNeutron(was, ha) {
				continue
			}
			all++
			is, ok := both[1][id]
			if !ok {
				wrong = append(wrong, fmt.Sprintf("%s %s (%v) is missing", plural, id, was["name"]))
				continue
			}
			wrong = append(wrong, differences(plural, was, is, different[collection])...)
		}
	}
	slices.Sort(wrong)
	if len(wrong) > 0 || all < len(furniture()) {
		return fmt.Errorf("of %d objects compared:\n%s", all, strings.Join(wrong, "\n"))
	}
	return nil
}

// ownOfNeutron names what Neutron made for itself, by what it is called there, or
// the network that it is on.
func ownOfNeutron(o map[string]any, ha string) bool {
	name, _ := o["name"].(string)
	owner, _ := o["device_owner"].(string)
	return strings.HasPrefix(name, "HA network tenant") || strings.HasPrefix(name, "HA subnet tenant") || strings.HasPrefix(name, "HA port tenant") ||
		owner == "network:router_centralized_snat" || ha != "" && o["network_id"] == ha
}

// differences compares the attributes of an object.
func differences(plural string, was, is map[string]any, but []string) []string {
	var wrong []string
	for name, before := range was {
		if slices.Contains(but, name) || changedByHosts(was, name) {
			continue
		}
		if a, b := plainText(before), plainText(is[name]); a != b {
			wrong = append(wrong, fmt.Sprintf("%s %v (%v): %s was %s and is %s", plural, was["id"], was["name"], name, a, b))
		}
	}
	return wrong
}

// changedByHosts names attributes of ports of agents and routers, which have
// another host now, or none yet.
func changedByHosts(o map[string]any, name string) bool {
	switch o["device_owner"] {
	case "network:dhcp":
		return name == "device_id" || name == "binding:host_id"
	case "network:router_gateway", "network:floatingip": // made with what they belong to
		return name == "binding:host_id" || name == "created_at"
	case "network:router_interface", "network:router_interface_distributed", "network:ha_router_replicated_interface":
		return name == "binding:host_id"
	}
	return false
}

// plainText writes a value with its lists sorted.
func plainText(v any) string {
	if items, ok := v.([]any); ok {
		var texts []string
		for _, item := range items {
			texts = append(texts, plainText(item))
		}
		slices.Sort(texts)
		return "[" + strings.Join(texts, " ") + "]"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
