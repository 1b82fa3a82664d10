package lab

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// The names of Lepton's programs on a host.
const (
	controllerProgram = "controller"
	agentProgram      = "agent"
	etcdProgram       = "etcd" // where there are several controllers
)

// Programs lists what can be stopped and started on a host.
func Programs() []string {
	return []string{controllerProgram, agentProgram, etcdProgram, ovsdbServer, ovsVswitchd}
}

// findBinary finds one of Lepton's programs: in dir, beside the running program,
// or on the PATH.
func findBinary(dir, name string) (string, error) {
	var places []string
	if dir != "" {
		places = append(places, filepath.Join(dir, name))
	} else if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(self), name))
	}
	for _, p := range places {
		if found, err := exec.LookPath(p); err == nil {
			return filepath.Abs(found)
		}
	}
	if dir == "" {
		if found, err := exec.LookPath(name); err == nil {
			return filepath.Abs(found)
		}
	}
	return "", fail(ErrNotFound, "program %s is not in %v nor on the PATH: make build makes it", name, places)
}

func (h HostPlan) configFile(program string) string { return filepath.Join(h.Dir, program+".yaml") }
func (h HostPlan) logFile(program string) string    { return filepath.Join(h.Dir, program+".log") }
func (h HostPlan) stateDir(program string) string   { return filepath.Join(h.Dir, program) }

// tls gives the files of a host's identity, as both programs' files name them.
// A lab's authority is a directory of leptonctl certs.
func (p *Plan) tls(h HostPlan) map[string]any {
	return map[string]any{
		"cert": filepath.Join(h.Dir, "tls", "cert.pem"),
		"key":  filepath.Join(h.Dir, "tls", "key.pem"),
		"ca":   filepath.Join(h.Dir, "tls", "ca.pem"),
		"crl":  filepath.Join(h.Dir, "tls", "crl.pem"),
	}
}

// rpcAddress is where the agents find a host's controller.
func (h HostPlan) rpcAddress() string { return netip.AddrPortFrom(h.Mgmt.Addr(), rpcPort).String() }

// controllerConfig is what a host's lepton-controller gets to read.
func (p *Plan) controllerConfig(h HostPlan) map[string]any {
	t := p.Topology
	vlans := []string{}
	mtus := map[string]any{}
	for _, n := range t.PhysicalNetworks {
		if n.Gateway != nil {
			mtus[n.Name] = t.joinedMTU()
		}
		vlans = append(vlans, n.Name+":100:200")
	}
	network := map[string]any{
		"global_physnet_mtu": t.MTU,
		"overlay_ip_version": t.UnderlayIP,
		"vlan":               map[string]any{"network_vlan_ranges": vlans},
		"flat":               map[string]any{"flat_networks": []string{"*"}},
	}
	if len(mtus) > 0 {
		network["physical_network_mtus"] = mtus
	}
	if len(t.TunnelTypes) > 0 {
		network["tenant_network_types"] = t.TunnelTypes
	}
	return merge(map[string]any{
		"name":    h.Name,
		"api":     map[string]any{"listen": apiListen},
		"rpc":     map[string]any{"listen": h.rpcAddress(), "tls": p.tls(h)},
		"metrics": map[string]any{"listen": controllerMetric},
		"store":   p.storeConfig(h),
		"auth":    map[string]any{"mode": "none"},
		"network": network,
	}, t.Controller)
}

// agentConfig is what the host's lepton-agent gets to read.
func (p *Plan) agentConfig(h HostPlan) map[string]any {
	to := map[string]any{"address": p.controller().rpcAddress(), "tls": p.tls(h)}
	if all := p.controllers(); len(all) > 1 {
		delete(to, "address")
		var addresses []string
		for _, c := range all {
			addresses = append(addresses, c.rpcAddress())
		}
		to["addresses"] = addresses
	}
	return merge(merge(map[string]any{
		"host":       h.Name,
		"controller": to,
		"roles":      agentRoles(h),
		"state_dir":  h.stateDir(agentProgram),
		"run_dir":    filepath.Join(h.Dir, "run"),
		"ovs": map[string]any{
			"db":              "unix:" + h.dbSocket(),
			"run_dir":         h.ovsDir(),
			"openflow_listen": openflowListen,
			"datapath_type":   p.datapathType(),
			"bridge_mappings": h.Mappings,
		},
		"tunnel":  map[string]any{"types": p.Topology.TunnelTypes, "local_ip": h.Tunnel.Addr().String()},
		"metrics": map[string]any{"listen": agentMetric},
	}, p.Topology.Agent), h.Agent)
}

// agentRoles are what the host's agent does.
func agentRoles(h HostPlan) []string {
	if h.Is(RoleNetwork) {
		return []string{"l2", "l3", "metadata"}
	}
	return []string{"l2"}
}

// merge puts the changes over the base, key by key; where both hold a mapping
// they are merged in turn.
func merge(base, changes map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range changes {
		below, ok1 := out[k].(map[string]any)
		above, ok2 := v.(map[string]any)
		if ok1 && ok2 {
			v = merge(below, above)
		}
		out[k] = v
	}
	return out
}

// writeConfigs writes the files of the host's programs. An operator may edit
// them and restart the program.
func (p *Plan) writeConfigs(h HostPlan) error {
	files := map[string]map[string]any{}
	if h.Is(RoleController) {
		files[controllerProgram] = p.controllerConfig(h)
	}
	if h.RunsAgent() {
		files[agentProgram] = p.agentConfig(h)
	}
	for program, content := range files {
		b, err := yaml.Marshal(content)
		if err == nil {
			err = os.WriteFile(h.configFile(program), b, 0o600)
		}
		if err != nil {
			return fmt.Errorf("host %s: write configuration of %s: %w", h.Name, program, err)
		}
	}
	return nil
}

// launch starts one of a host's programs, notes it in the ledger, and waits
// until it can be used. It must not run already.
func (l *Lab) launch(ctx context.Context, h HostPlan, name string) error {
	p := Process{Name: name, Host: h.Name, Log: h.logFile(name)}
	switch name {
	case ovsdbServer, ovsVswitchd:
		p.Argv = ovsArgv(h, name)
		p.Log = filepath.Join(h.ovsDir(), name+".out")
	case etcdProgram:
		path, err := findEtcd()
		if err != nil {
			return err
		}
		p.Argv = append([]string{path}, l.plan.etcdArgv(h)...)
	default:
		path, err := findBinary(l.binDir, "lepton-"+name)
		if err != nil {
			return err
		}
		p.Argv = []string{path, "--config", h.configFile(name)}
	}
	if l.wrap != nil {
		p.Argv = l.wrap(h.Name, name, p.Argv)
	}
	env := append(h.environment(), markVariable+"="+l.mark)
	if err := launch(&p, h.Namespace, env); err != nil {
		return err
	}
	if err := l.ledger.update(func(s *State) error { s.setProcess(p); return nil }); err != nil {
		return err
	}
	if err := l.ready(ctx, h, p); err != nil {
		if last := tail(p.Log, 5); last != "" {
			return fmt.Errorf("%w; the end of %s:\n%s", err, p.Log, last)
		}
		return err
	}
	return nil
}

// ready waits until the program does its work, or has ended instead. Agents
// are waited for together, see awaitAgents.
func (l *Lab) ready(ctx context.Context, h HostPlan, p Process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("not ready after 30 s"))
	defer cancel()
	working := func(context.Context) bool { return true }
	switch p.Name {
	case ovsdbServer:
		working = func(ctx context.Context) bool { return reachable("unix", h.dbSocket()) }
	case controllerProgram:
		api, err := l.APIOn(h.Name)
		if err != nil {
			return err
		}
		working = func(ctx context.Context) bool { return api.answers(ctx) == nil }
	}
	err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
		if !p.Alive() {
			return false, fmt.Errorf("%s on %s ended at once", p.Name, p.Host)
		}
		return working(ctx), nil
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("start %s on %s: %w", p.Name, p.Host, context.Cause(ctx))
	}
	return err
}

// Stop ends a host's program: politely, or at once when hard is set. The data
// plane of a stopped lepton-agent or lepton-controller goes on.
func (l *Lab) Stop(ctx context.Context, host, program string, hard bool) error {
	p, err := l.find(host, program)
	if err != nil {
		return err
	}
	grace := 10 * time.Second
	if hard {
		grace = 0
		if err := p.signal(9); err != nil {
			return err
		}
	}
	return stopAll(ctx, []Process{p}, grace)
}

// Start starts a host's program again, with the configuration file as it is now.
func (l *Lab) Start(ctx context.Context, host, program string) error {
	p, err := l.find(host, program)
	if err != nil {
		return err
	}
	if p.Alive() {
		return fail(ErrExists, "%s on %s runs as process %s", program, host, strconv.Itoa(p.PID))
	}
	release, err := l.ledger.hold(false)
	if err != nil {
		return err
	}
	defer release()
	h, err := l.host(host)
	if err != nil {
		return err
	}
	if err := l.launch(ctx, *h, program); err != nil {
		return err
	}
	if program != ovsVswitchd {
		return nil
	}
	// ovs-vsctl waits for ovs-vswitchd only after a change.
	if _, err := l.vsctl(ctx, *h, "set", "Open_vSwitch", ".", "external_ids:lab-started="+time.Now().UTC().Format(time.RFC3339Nano)); err != nil {
		return err
	}
	return h.addressBridges(ctx)
}

// find gives the noted process of a host's program.
func (l *Lab) find(host, program string) (Process, error) {
	s, err := l.ledger.read()
	if err != nil {
		return Process{}, err
	}
	if p, ok := s.process(host, program); ok {
		return p, nil
	}
	if !slices.Contains(Programs(), program) {
		return Process{}, fail(ErrUsage, "%q is not one of %v", program, Programs())
	}
	return Process{}, fail(ErrNotFound, "lab %s runs no %s on %s", l.plan.Lab, program, host)
}
