package packages

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/machine"
)

const top = "../.."

var names = []string{"lepton-controller", "lepton-agent", "leptonctl"}

// debs gives the packages that make deb has built.
func debs(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(top, "bin/deb", name+"_*.deb"))
		if err != nil || len(found) != 1 {
			t.Fatalf("packages of %s: %v %v: make deb builds them", name, found, err)
		}
		out = append(out, found[0])
	}
	return out
}

// repacked gives the same packages with another version.
func repacked(t *testing.T, version string) []string {
	t.Helper()
	dir := t.TempDir()
	arch, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "bin/tools/nfpm", "package", "-p", "deb", "-f", "packaging/"+name+".yaml", "-t", dir)
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "DEB_VERSION="+version, "DEB_ARCH="+strings.TrimSpace(string(arch)))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("pack %s: %v\n%s", name, err, out)
		}
	}
	out, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(out) != len(names) {
		t.Fatalf("packed %v, %v", out, err)
	}
	return out
}

// install puts packages on the machine, as apt does with what it has fetched.
func install(m *machine.Machine, dir string, files []string) {
	m.Put(dir, files...)
	m.Run("dpkg --install " + dir + "/*.deb")
}

// config lets the agent use the datapath that needs no kernel module.
const config = "ovs: { datapath_type: netdev }\ntunnel: { local_ip: 192.0.2.11 }\n"

// guests makes two ports of a network and plugs two guests on this machine, as
// a hypervisor does.
const guests = `set -e
api=http://127.0.0.1:9696/v2.0
post() { curl -sS --fail-with-body -H 'Content-Type: application/json' -d "$2" $api/$1; }
field() { python3 -c 'import json,sys; o=next(iter(json.load(sys.stdin).values())); print(eval(sys.argv[1], {"o": o}))' "$1"; }
net=$(post networks '{"network": {"name": "n", "port_security_enabled": false}}' | field 'o["id"]')
post subnets '{"subnet": {"network_id": "'$net'", "cidr": "10.0.0.0/24", "ip_version": 4, "enable_dhcp": false}}' >/dev/null
for i in 1 2; do
	port=$(post ports '{"port": {"network_id": "'$net'", "binding:host_id": "'$(hostname)'", "fixed_ips": [{"ip_address": "10.0.0.1'$i'"}]}}')
	id=$(echo "$port" | field 'o["id"]') mac=$(echo "$port" | field 'o["mac_address"]')
	ip netns add guest$i
	ovs-vsctl add-port br-int tap$i -- set Interface tap$i type=internal \
		external_ids:iface-id=$id external_ids:attached-mac=$mac external_ids:iface-status=active
	ip link set tap$i netns guest$i address $mac
	ip -n guest$i addr add 10.0.0.1$i/24 dev tap$i
	ip -n guest$i link set tap$i up
done
`

// active waits until the units run.
func active(m *machine.Machine, units ...string) {
	for _, u := range units {
		m.Eventually("systemctl is-active --quiet "+u, 30*time.Second)
	}
}

// upgradeAndDowngrade installs newer packages and the first ones again, and gives
// what ping from guest to guest saw meanwhile.
func upgradeAndDowngrade(m *machine.Machine, newer []string) string {
	ping := m.Start("ip netns exec guest1 ping -q -i 0.02 -w 20 10.0.0.12")
	before := m.Run("systemctl show -P MainPID lepton-agent")
	install(m, "/debs/2", newer)
	active(m, "lepton-controller", "lepton-agent")
	m.Run("dpkg-query -W -f '${Version}' lepton-agent | grep -qx 99")
	if m.Run("systemctl show -P MainPID lepton-agent") == before {
		m.Run("echo the agent was not restarted; false")
	}
	m.Run("dpkg --install /debs/1/*.deb")
	active(m, "lepton-controller", "lepton-agent")
	m.Run("diff - /etc/lepton/agent.yaml <<'END'\n" + config + "END\n")
	return ping.Wait()
}

func TestInstallUpgradeDowngradeRemoveAndPurge(t *testing.T) {
	m := machine.Boot(t, machine.Options{Name: "hv1"})
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.Try("journalctl --no-pager | grep -i lepton | tail -60")
			t.Log(out)
		}
	})
	m.Run("ip addr add 192.0.2.11/32 dev lo && systemctl start openvswitch-switch")
	install(m, "/debs/1", debs(t))
	active(m, "lepton-controller", "lepton-agent")

	t.Run("the services are as a distribution's", func(t *testing.T) {
		m := m.For(t)
		for line, want := range map[string]string{
			"systemctl is-enabled lepton-controller lepton-agent":                                              "enabled\nenabled",
			"ps -o user= -C lepton-controller":                                                                 "lepton",
			"ps -o user= -C lepton-agent":                                                                      "root",
			"stat -c '%U %G %a' /etc/lepton/controller.yaml":                                                   "root lepton 640",
			"stat -c '%U %a' /var/lib/lepton/controller":                                                       "lepton 700",
			"stat -c '%U %a' /var/lib/lepton/agent":                                                            "root 700",
			"systemctl show -P Type lepton-agent":                                                              "notify",
			"systemctl show -P StartLimitIntervalUSec lepton-controller lepton-agent":                          "0\n\n0",
			"systemctl show -P KillMode lepton-agent":                                                          "process",
			"test -s /usr/share/man/man8/lepton-agent.8.gz && echo manual":                                     "manual",
			"zcat /usr/share/doc/leptonctl/changelog.gz | head -1 | cut -d' ' -f1":                             "lepton",
			"grep -l '^License: Apache-2.0$' /usr/share/doc/lepton*/copyright | wc -l":                         "3",
			"zgrep -l '^======== google.golang.org/grpc .*LICENSE' /usr/share/doc/lepton*/licenses.gz | wc -l": "3",
			"bash -c '. /usr/share/bash-completion/completions/leptonctl'":                                     "",
			"dpkg --verify lepton-controller lepton-agent leptonctl":                                           "",
			"curl -s -o /dev/null -w '%{http_code}' 127.0.0.1:9696/v2.0/networks":                              "200",
			"systemctl show -P NRestarts lepton-controller lepton-agent":                                       "0\n\n0",
			"systemd-analyze --man=no verify /lib/systemd/system/lepton-*.service 2>&1 | grep lepton || true":  "",
			"lepton-agent --check --config /etc/lepton/agent.yaml | wc -l":                                     "1",
			"systemctl show -P StatusText lepton-controller | cut -d' ' -f1":                                   "API",
		} {
			if got := m.Run(line); got != want {
				t.Errorf("%s: %q, want %q", line, got, want)
			}
		}
	})

	m.Write("/etc/lepton/agent.yaml", config)
	m.Run("systemctl restart lepton-agent")
	m.Eventually("leptonctl agents -o json | grep -q '\"in_sync\": true'", 30*time.Second)
	m.Write("/root/guests.sh", guests)
	m.Run("bash /root/guests.sh")
	m.Eventually("ip netns exec guest1 ping -c1 -W1 10.0.0.12", 30*time.Second)

	t.Run("traffic flows during an upgrade and a downgrade", func(t *testing.T) {
		m := m.For(t)
		newer := repacked(t, "99")
		var saw string
		// A machine with much else to do loses a packet now and then by itself.
		for range 3 {
			if saw = upgradeAndDowngrade(m, newer); strings.Contains(saw, " 0% packet loss") {
				break
			}
			t.Logf("the guest saw\n%s", saw)
		}
		if !strings.Contains(saw, " 0% packet loss") {
			t.Error("packets were lost each time")
		}
		m.Eventually("leptonctl agents -o json | grep -q '\"in_sync\": true'", 30*time.Second)
	})

	t.Run("a wrong configuration is told and not tried for ever", func(t *testing.T) {
		m := m.For(t)
		m.Write("/etc/lepton/agent.yaml", "rols: [l2]\n")
		if _, err := m.Try("systemctl restart lepton-agent"); err == nil {
			t.Error("the service started")
		}
		m.Eventually("systemctl is-failed --quiet lepton-agent", 10*time.Second)
		m.Run("systemctl show -P ExecMainStatus lepton-agent | grep -qx 2 && journalctl -u lepton-agent | grep -q 'agent.yaml:1.*rols'")
		m.Write("/etc/lepton/agent.yaml", config)
		m.Run("systemctl restart lepton-agent")
	})

	t.Run("removing leaves the data plane", func(t *testing.T) {
		m := m.For(t)
		m.Run("dpkg --remove lepton-agent lepton-controller leptonctl")
		m.Run("ip netns exec guest1 ping -c3 -i0.1 -W1 10.0.0.12")
		for _, gone := range []string{"/usr/bin/lepton-agent", "/lib/systemd/system/lepton-agent.service"} {
			if out, err := m.Try("test ! -e " + gone); err != nil {
				t.Errorf("%s is left: %s", gone, out)
			}
		}
		m.Run("test -e /etc/lepton/agent.yaml && test -d /var/lib/lepton/controller")
		if left, _ := m.Try("pgrep -a lepton-"); left != "" {
			t.Errorf("still running: %s", left)
		}
	})

	t.Run("purging leaves nothing else", func(t *testing.T) {
		m := m.For(t)
		m.Run("dpkg --purge lepton-agent lepton-controller leptonctl")
		m.Run("ip netns exec guest1 ping -c3 -i0.1 -W1 10.0.0.12")
		if left := m.Run("find /etc /usr /lib /var/lib -xdev -iname '*lepton*' -not -path '*/dpkg/*' | grep -v -e /usr/local -e /usr/src || true"); left != "" {
			t.Errorf("left behind:\n%s", left)
		}
	})
}
