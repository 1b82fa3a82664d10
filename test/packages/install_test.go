package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

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
		out = append(out, one)
	}
	return out
}

// underlay joins machines by a switch and gives each an address there, on a
// bridge of Open vSwitch: the userspace datapath tunnels over nothing else.
func underlay(t *testing.T, machines map[string]*machine.Machine, addresses map[string]string) {
	t.Helper()
	hub := machine.Boot(t, machine.Options{Name: "hub"})
	hub.Run("ip link add hub type bridge && ip link set hub up")
	for name, m := range machines {
		hub.Wire(name, m, "eth0")
		hub.Run("ip link set " + name + " master hub up")
		m.Run("systemctl start openvswitch-switch && ip link set eth0 up" +
			" && ovs-vsctl add-br br-under -- set Bridge br-under datapath_type=netdev -- add-port br-under eth0" +
			" && ip addr add " + addresses[name] + "/24 dev br-under && ip link set br-under up")
	}
}

// What the page about operations tells is done on the same machines, behind it.
func TestTheInstallationPageLeadsToAPingBetweenTwoHosts(t *testing.T) {
	machines := map[string]*machine.Machine{}
	for _, name := range []string{"ctl1", "hv1", "hv2"} {
		machines[name] = machine.Boot(t, machine.Options{Name: name})
		machines[name].Put("/root", debs(t)...)
	}
	underlay(t, machines, map[string]string{"ctl1": "192.0.2.10", "hv1": "192.0.2.11", "hv2": "192.0.2.12"})
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
		for _, name := range b.machines {
			m := machines[name]
			switch {
			case b.file != "" && strings.HasSuffix(b.file, "agent.yaml"):
				m.Write(b.file, b.text+"ovs: { datapath_type: netdev }\n")
			case b.file != "":
				m.Write(b.file, b.text)
			case strings.Contains(b.text, "certs issue"):
				m.Run("cd /root\n" + b.text)
				for _, host := range []string{"hv1", "hv2"} {
					for _, f := range []string{"ca.pem", "cert.pem", "key.pem"} {
						machines[host].Write("/etc/lepton/tls/"+f, ctl1.Run("cat /etc/lepton/pki/"+host+"/"+f)+"\n")
					}
				}
			case strings.Contains(b.text, "$PORT"):
				n := strings.TrimPrefix(name, "hv")
				show := ctl1.Run("OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:9696 openstack port show p" + n + " -f value -c id -c mac_address")
				var id, mac string
				if _, err := fmt.Sscan(show, &id, &mac); err != nil {
					t.Fatalf("port p%s: %q: %v", n, show, err)
				}
				m.Run(fmt.Sprintf("PORT=%s MAC=%s ADDRESS=10.0.0.1%s\n%s", id, mac, n, b.text))
			default:
				out := m.Run("set -e; cd /root\n" + b.text)
				t.Logf("%s\n%s", name, out)
			}
		}
	}
	if out := ctl1.Run("OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:9696 openstack port list -f value -c Status"); out != "ACTIVE\nACTIVE" {
		t.Errorf("the ports are %q", out)
	}
}
