package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// takeoverTopology is a cloud with Neutron's server and agents; Lepton's API has
// another port, since for a while there are both.
const takeoverTopology = `
mtu: 1500
tunnel_types: [vxlan]
physical_networks: [{ name: physnet1 }]
controller: { api: { listen: "` + leptonBeside + `" }, network: { vxlan: { vni_ranges: ["1:1000"] } } }
hosts:
  - { name: ctl1, roles: [controller] }
  - { name: net1, roles: [network], agent: { roles: [l2, l3, dhcp, metadata] } }
  - { name: hv, count: 2, roles: [compute] }
`

// takeoverPart is the name of this part of the run.
const takeoverPart = "takeover"

// leptonBeside is where Lepton's API is on the controller's host.
const leptonBeside = "127.0.0.1:9695"

// takeover is a cloud whose network service changes, and its guests.
type takeover struct {
	*onLab
	lepton  *lab.API
	ids     map[string]string   // of what the cloud has, by name
	before  map[string][]string // cookies of a host's flows, before the service changed
	watched *watch
}

// agentsOf names the programs of Neutron on each host.
var agentsOf = map[string][]string{
	"net1": {"neutron-openvswitch-agent", "neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent"},
	"hv1":  {"neutron-openvswitch-agent"},
	"hv2":  {"neutron-openvswitch-agent"},
}

// moduleOf is where the code of a program of Neutron is.
var moduleOf = map[string]string{
	"neutron-openvswitch-agent": "neutron.cmd.eventlet.plugins.ovs_neutron_agent",
	"neutron-l3-agent":          "neutron.cmd.eventlet.agents.l3",
	"neutron-dhcp-agent":        "neutron.cmd.eventlet.agents.dhcp",
	"neutron-metadata-agent":    "neutron.cmd.eventlet.agents.metadata",
}

// takingOver has Neutron's server and agents carry guests' traffic, moves the
// cloud to Lepton as docs/moving-from-neutron.md tells, by its commands, and back.
func (c *cloud) takingOver(ctx context.Context) (report, error) {
	var r report
	on, err := c.labOf(ctx, "takeover", takeoverTopology)
	if err != nil {
		return r, err
	}
	t := &takeover{onLab: on, ids: map[string]string{}}
	defer func() {
		if t.watched != nil {
			t.watched.stop()
		}
		if err := t.down(); err != nil {
			fmt.Println(err)
		}
	}()
	client := *t.lab.API()
	client.URL = "http://" + leptonBeside
	t.lepton = &client
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"neutron_carries_the_guests", t.neutron},
		{"lepton_gets_the_objects", t.objects},
		{"hosts_are_taken_over", t.over},
		{"nothing_of_neutron_is_left", func(ctx context.Context) error { return t.gone(ctx, "/var/lib/neutron", "neutron-") }},
		{"hosts_go_back", t.back},
		{"nothing_of_lepton_is_left", func(ctx context.Context) error { return t.gone(ctx, "lepton", "lepton") }},
	} {
		began := time.Now()
		err := step.do(ctx)
		fmt.Printf("  %s: %s\n", step.name, time.Since(began).Round(100*time.Millisecond))
		if err != nil {
			r.failed = append(r.failed, outcome{"moving." + step.name, strings.ReplaceAll(err.Error(), "\n", "; ")})
			return r, ctx.Err() // the next ones stand on this one
		}
		r.passed = append(r.passed, "moving."+step.name)
	}
	return r, nil
}

// neutron starts all of it, and guests that reach each other by it.
func (t *takeover) neutron(ctx context.Context) error {
	for _, do := range []func(context.Context) error{t.prepare, t.startServer, t.startAgents, t.networks, t.guests} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	if err := t.reach(ctx); err != nil {
		return err
	}
	w, err := t.watchGuests(ctx)
	t.watched = w
	return err
}

// prepare writes what the hosts' units run.
func (t *takeover) prepare(ctx context.Context) error {
	hosts := t.lab.Plan().Hosts
	if err := t.write("takeover-paste.ini"); err != nil {
		return err
	}
	if err := t.write("takeover.conf"); err != nil {
		return err
	}
	common, err := os.ReadFile(filepath.Join(t.Dir, "takeover.conf"))
	if err != nil {
		return err
	}
	pki := filepath.Join(t.dir, "pki")
	certs := "leptonctl certs init --dir " + pki + " --cloud moving\n"
	for _, h := range hosts {
		conf := filepath.Join(t.dir, h.Name+".conf")
		text := strings.NewReplacer("@HOST@", h.Name, "@BROKER@", hosts[0].Mgmt.Addr().String(),
			"@TUNNEL@", h.Tunnel.Addr().String(), "@RUNDIR@", filepath.Join(h.Dir, "ovs"), "@DATABASE@", t.database()).Replace(string(common))
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return err
		}
		for _, program := range agentsOf[h.Name] {
			// Chains of its rules are called like the program.
			text := "#!/usr/bin/python3 -Wignore\nimport sys\nfrom " + moduleOf[program] + " import main\nsys.exit(main())\n"
			if err := errors.Join(t.program(program, text), t.unit(h.Name, program, "exec "+program+" --config-file "+conf+"\n")); err != nil {
				return err
			}
		}
		if err := t.unit(h.Name, "lepton-agent", "exec lepton-agent --config "+filepath.Join(h.Dir, "agent.yaml")+"\n"); err != nil {
			return err
		}
		certs += fmt.Sprintf("leptonctl certs issue %s --dir %s --address %s\nln -s %[2]s/%[1]s %[4]s/tls\n", h.Name, pki, h.Mgmt.Addr(), h.Dir)
	}
	if err := t.serverUnits(hosts[0]); err != nil {
		return err
	}
	_, err = t.enter(ctx, "ctl1", certs)
	return err
}

// serverUnits are those of the controller's host.
func (t *takeover) serverUnits(h lab.HostPlan) error {
	rabbit := filepath.Join(t.dir, "rabbitmq")
	for name, run := range map[string]string{
		"rabbitmq-server": strings.Join([]string{
			"export RABBITMQ_BASE=" + rabbit, "export RABBITMQ_MNESIA_BASE=" + rabbit + "/mnesia", "export RABBITMQ_LOG_BASE=" + rabbit + "/log",
			"export RABBITMQ_CONFIG_FILE=" + rabbit + "/rabbitmq.conf", "export RABBITMQ_ENABLED_PLUGINS_FILE=" + rabbit + "/plugins",
			"export RABBITMQ_PID_FILE=" + rabbit + "/pid", "export RABBITMQ_NODENAME=moving@localhost", "export RABBITMQ_USE_LONGNAME=false",
			"exec /usr/lib/rabbitmq/bin/rabbitmq-server\n",
		}, "\n"),
		"mariadb": strings.Join([]string{
			"mkdir " + t.dir + "/mariadb", // without tables of its own, which nobody asks for rights
			"exec mariadbd --no-defaults --user=root --datadir=" + t.dir + "/mariadb --socket=" + t.dir + "/mariadb.sock --skip-networking --skip-grant-tables" +
				" --innodb-flush-log-at-trx-commit=0 --init-file=" + t.dir + "/mariadb.sql\n",
		}, "\n"),
		"neutron-server": "while [ ! -S " + t.dir + "/mariadb.sock ]; do sleep 0.1; done\n" +
			fmt.Sprintf("exec /usr/bin/python3 -W ignore %s '%s' '' %s\n", filepath.Join(t.Dir, "serve-neutron.py"), t.database(), filepath.Join(t.dir, "ctl1.conf")),
		"lepton-controller": "exec lepton-controller --config " + filepath.Join(h.Dir, "controller.yaml") + "\n",
	} {
		if err := t.unit(h.Name, name, run); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(rabbit, 0o700); err != nil {
		return err
	}
	conf := "listeners.tcp.1 = " + h.Mgmt.Addr().String() + ":5672\nloopback_users = none\n"
	return errors.Join(
		os.WriteFile(filepath.Join(rabbit, "rabbitmq.conf"), []byte(conf), 0o600),
		os.WriteFile(filepath.Join(t.dir, "mariadb.sql"), []byte("CREATE DATABASE IF NOT EXISTS neutron CHARACTER SET utf8mb3;\n"), 0o600),
		os.WriteFile(filepath.Join(rabbit, "plugins"), []byte("[].\n"), 0o600),
		t.write("serve-neutron.py"))
}

// database is where Neutron's is.
func (t *takeover) database() string {
	return "mysql+pymysql://root@/neutron?unix_socket=" + t.dir + "/mariadb.sock"
}

// startServer starts the broker, and what waits for it by itself.
func (t *takeover) startServer(ctx context.Context) error {
	if _, err := t.enter(ctx, "ctl1", "mkdir -p /var/lib/neutron\nsystemctl start mariadb rabbitmq-server neutron-server"); err != nil {
		return err
	}
	return t.until(ctx, time.Minute, "Neutron answers", func() error {
		return t.lab.API().Call(ctx, "GET", "/v2.0/agents", nil, nil)
	})
}

// startAgents starts Neutron's agents, which are alive when they have told so.
func (t *takeover) startAgents(ctx context.Context) error {
	errs := make(chan error, len(agentsOf))
	for host, programs := range agentsOf {
		go func() {
			_, err := t.enter(ctx, host, "systemctl start "+strings.Join(programs, " "))
			errs <- err
		}()
	}
	for range agentsOf {
		if err := <-errs; err != nil {
			return err
		}
	}
	return t.neutronAlive(ctx)
}

func (t *takeover) neutronAlive(ctx context.Context) error {
	return t.until(ctx, 90*time.Second, "all of Neutron's agents are alive", func() error {
		agents, err := t.lab.API().Agents(ctx)
		if err != nil {
			return err
		}
		alive := 0
		for _, a := range agents {
			if a.Alive {
				alive++
			}
		}
		if alive != 6 {
			return fmt.Errorf("%d of 6", alive)
		}
		return nil
	})
}

// until asks again until there is no error.
func (t *takeover) until(ctx context.Context, limit time.Duration, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// make makes an object of Neutron, and notes its id.
func (t *takeover) make(ctx context.Context, r request) error {
	var in any
	if err := json.Unmarshal([]byte(named(t.ids, r.body)), &in); err != nil {
		return err
	}
	out := map[string]any{}
	if err := t.lab.API().Call(ctx, r.method, "/v2.0/"+named(t.ids, r.path), in, &out); err != nil {
		return err
	}
	for _, member := range out {
		o, _ := member.(map[string]any)
		if id, ok := o["id"].(string); ok && r.name != "" {
			t.ids[r.name] = id
		}
		if address, ok := o["floating_ip_address"].(string); ok {
			t.ids[r.name+".ip"] = address
		}
	}
	return nil
}

// objects starts Lepton beside Neutron and imports.
func (t *takeover) objects(ctx context.Context) error {
	if _, err := t.enter(ctx, "ctl1", "systemctl start lepton-controller"); err != nil {
		return err
	}
	if err := t.until(ctx, 30*time.Second, "Lepton answers", func() error {
		return t.lepton.Call(ctx, "GET", "/v2.0/agents", nil, nil)
	}); err != nil {
		return err
	}
	_, err := t.enter(ctx, "ctl1", "leptonctl import --from http://127.0.0.1:9696 --api http://"+leptonBeside)
	return err
}

// over does what the page says on each host.
func (t *takeover) over(ctx context.Context) error {
	fmt.Print(t.watched.lost("    before: "))
	if err := errors.Join(t.remember(ctx), t.follow(ctx, "change over")); err != nil {
		return err
	}
	if err := t.until(ctx, 30*time.Second, "all ports are ACTIVE in Lepton", func() error { return t.active(ctx, t.lepton) }); err != nil {
		return err
	}
	err := t.reach(ctx)
	fmt.Print(t.watched.lost("    until Lepton carries all: "))
	return err
}

// back does what the page says to go back.
func (t *takeover) back(ctx context.Context) error {
	fmt.Print(t.watched.lost("    before: "))
	if err := errors.Join(t.remember(ctx), t.follow(ctx, "back")); err != nil {
		return err
	}
	if err := t.neutronAlive(ctx); err != nil {
		return err
	}
	err := t.reach(ctx)
	fmt.Print(t.watched.lost("    until Neutron carries all again: "))
	return err
}

// follow types the commands of the page that are for a part of the move, in their
// order, on the hosts that stand behind them.
func (t *takeover) follow(ctx context.Context, part string) error {
	all, err := pageBlocks(movingPage)
	if err != nil {
		return err
	}
	hosts, did := []string{"ctl1", "net1", "hv1", "hv2"}, 0
	for _, b := range all {
		rest, ok := strings.CutPrefix(b.mark, "sh ")
		where, of, _ := strings.Cut(rest, ": ")
		on := strings.Fields(where)
		if !ok || of != part || slices.ContainsFunc(on, func(h string) bool { return !slices.Contains(hosts, h) }) {
			continue
		}
		did++
		began := time.Now()
		t.also = []string{"PROVIDER_BRIDGES=br-" + t.Physical, "OS_ENDPOINT=http://" + leptonBeside}
		if err := t.enterAll(ctx, on, strings.ReplaceAll(b.text, "leptonctl agents", "leptonctl agents --api http://"+leptonBeside)); err != nil {
			return err
		}
		fmt.Printf("    %s, block %d of %q: %s\n", where, did, part, time.Since(began).Round(10*time.Millisecond))
		if t.watched != nil {
			fmt.Print(t.watched.lost("      "))
		}
	}
	if did == 0 {
		return fmt.Errorf("%s has no commands for %q", movingPage, part)
	}
	return nil
}

// active asks that all ports of guests are.
func (t *takeover) active(ctx context.Context, api *lab.API) error {
	var list struct {
		Ports []struct {
			Name, Status string
		}
	}
	if err := api.Call(ctx, "GET", "/v2.0/ports?device_owner=compute:nova", nil, &list); err != nil {
		return err
	}
	var wrong []string
	for _, p := range list.Ports {
		if p.Status != "ACTIVE" {
			wrong = append(wrong, p.Name+" is "+p.Status)
		}
	}
	if len(list.Ports) != len(takenGuests) || wrong != nil {
		return fmt.Errorf("%d ports: %s", len(list.Ports), strings.Join(wrong, ", "))
	}
	return nil
}
