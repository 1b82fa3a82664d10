package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/machine"
)

// block is a fenced block of a page: commands for machines, or a file on one.
type block struct {
	machines []string
	file     string // empty: text is commands
	text     string
}

var fence = regexp.MustCompile("(?ms)^```(sh|yaml) ([^\\n]+)\\n(.*?)^```$")

// blocks gives those blocks of a page that name a machine.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(top, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	for _, m := range fence.FindAllStringSubmatch(string(b), -1) {
		one := block{machines: strings.Fields(m[2]), text: m[3]}
		if name, file, ok := strings.Cut(m[2], ":"); ok {
			one.machines, one.file = []string{name}, file
		}
		// What is typed elsewhere, test/documents has typed there.
		if _, ok := addresses[one.machines[0]]; ok {
			out = append(out, one)
		}
	}
	return out
}

// freshDebian is a root directory that nothing was installed in.
const freshDebian = "/var/cache/lepton/debian"

// addresses are those of the machines in the underlay.
var addresses = map[string]string{"ctl1": "192.0.2.10", "hv1": "192.0.2.11", "hv2": "192.0.2.12"}

// underlay joins machines by a switch and gives each an address there.
func underlay(t *testing.T, machines map[string]*machine.Machine) {
	t.Helper()
	hub := machine.Boot(t, machine.Options{Name: "hub"})
	hub.Run("ip link add hub type bridge && ip link set hub up")
	for name, m := range machines {
		hub.Wire(name, m, "eth0")
		hub.Run("ip link set " + name + " master hub up")
		m.Run("ip link set eth0 up && ip addr add " + addresses[name] + "/24 dev eth0")
	}
}

// throughOVS leads a host's underlay through a bridge: the userspace datapath,
// which needs no module of the kernel, tunnels over nothing else.
func throughOVS(name string, m *machine.Machine) error {
	_, err := m.Try("ip addr del " + addresses[name] + "/24 dev eth0" +
		" && ovs-vsctl add-br br-under -- set Bridge br-under datapath_type=netdev -- add-port br-under eth0" +
		" && ip addr add " + addresses[name] + "/24 dev br-under && ip link set br-under up")
	return err
}

// do does on a machine what a block of a page says, and what a reader is told
// to do between the blocks.
func do(t *testing.T, machines map[string]*machine.Machine, name string, b block) error {
	m, ctl1 := machines[name], machines["ctl1"]
	if b.file != "" {
		text := b.text
		if strings.HasSuffix(b.file, "agent.yaml") {
			text += "ovs: { datapath_type: netdev }\n"
		}
		return m.TryWrite(b.file, text)
	}
	commands := "set -e; cd /root\n"
	if strings.Contains(b.text, "$PORT") {
		n := strings.TrimPrefix(name, "hv")
		show, err := ctl1.Try("OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:9696 openstack port show p" + n + " -f value -c id -c mac_address")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, show)
		}
		var id, mac string
		if _, err := fmt.Sscan(show, &id, &mac); err != nil {
			return fmt.Errorf("port p%s: %q: %w", n, show, err)
		}
		commands += fmt.Sprintf("PORT=%s MAC=%s ADDRESS=10.0.0.1%s\n", id, mac, n)
	}
	began := time.Now()
	out, err := m.Try(commands + b.text)
	t.Logf("%s, %v\n%s", name, time.Since(began).Round(time.Millisecond), out)
	switch {
	case err != nil:
		return fmt.Errorf("%w\n%s", err, out)
	case strings.Contains(b.text, "certs issue"), strings.Contains(b.text, "certs renew"):
		return copyCertificates(machines)
	case strings.Contains(b.text, "lepton-agent_") && !strings.Contains(b.text, "--reinstall"):
		return throughOVS(name, m)
	}
	return nil
}

// copyCertificates does what the page says in words.
func copyCertificates(machines map[string]*machine.Machine) error {
	for _, host := range []string{"hv1", "hv2"} {
		for _, f := range []string{"ca.pem", "cert.pem", "key.pem"} {
			pem, err := machines["ctl1"].Try("cat /etc/lepton/pki/" + host + "/" + f)
			if err != nil {
				return err
			}
			if err := machines[host].TryWrite("/etc/lepton/tls/"+f, pem+"\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

// What the page about operations tells is done on the same machines, behind it.
func TestTheInstallationPageLeadsToAPingBetweenTwoHosts(t *testing.T) {
	if _, err := os.Stat(freshDebian); err != nil {
		t.Fatalf("%v: .ci/prepare machines makes it", err)
	}
	machines := map[string]*machine.Machine{}
	for name := range addresses {
		machines[name] = machine.Boot(t, machine.Options{Name: name, Root: freshDebian})
		machines[name].Put("/root", debs(t)...)
		for _, absent := range []string{"ovs-vsctl", "dnsmasq", "iptables", "openstack", "leptonctl"} {
			if out, err := machines[name].Try("command -v " + absent); err == nil {
				t.Fatalf("%s has %s before anything was installed", name, out)
			}
		}
	}
	underlay(t, machines)
	t.Cleanup(func() {
		for _, m := range machines {
			if t.Failed() {
				out, _ := m.Try("journalctl --no-pager | grep -i lepton | tail -30")
				t.Log(out)
			}
		}
	})
	ctl1 := machines["ctl1"]
	for _, b := range append(blocks(t, "install.md"), blocks(t, "operations.md")...) {
		did := make(chan error, len(b.machines))
		for _, name := range b.machines {
			go func() { did <- do(t, machines, name, b) }()
		}
		for range b.machines {
			if err := <-did; err != nil {
				t.Fatal(err)
			}
		}
	}
	if out := ctl1.Run("OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:9696 openstack port list -f value -c Status"); out != "ACTIVE\nACTIVE" {
		t.Errorf("the ports are %q", out)
	}
}
