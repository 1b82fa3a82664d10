package e2e

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

// libvirtInterface is what nova-compute writes into a domain for libvirt.
type libvirtInterface struct {
	Type   string `xml:"type,attr"`
	Source struct {
		Bridge string `xml:"bridge,attr"`
	} `xml:"source"`
	Target struct {
		Dev string `xml:"dev,attr"`
	} `xml:"target"`
	MAC struct {
		Address string `xml:"address,attr"`
	} `xml:"mac"`
	MTU struct {
		Size int `xml:"size,attr"`
	} `xml:"mtu"`
	VirtualPort struct {
		Type       string `xml:"type,attr"`
		Parameters struct {
			InterfaceID string `xml:"interfaceid,attr"`
		} `xml:"parameters"`
	} `xml:"virtualport"`
}

// TestNovasOwnCodePlugsPorts plugs ports with the code that nova-compute runs,
// Nova's and os-vif's as Debian has them, in both ways that there are: os-vif
// makes the port of the switch, before there is a tap, or libvirt does.
func TestNovasOwnCodePlugsPorts(t *testing.T) {
	t.Parallel()
	c, nova, n := startWithNova(t)
	for i, by := range []string{"delegate", "libvirt"} {
		server := fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", i+1)
		p := c.Port(n, Attributes{"device_id": server, "device_owner": "compute:nova", "binding:host_id": "hv1"})
		tail := p.ID + " " + server
		iface := c.novaPlug("plug", p, server, by)
		c.libvirt(iface, p, server, by)
		nova.arrives("network-vif-plugged completed " + tail)
		c.Eventually("the port is ACTIVE", func() error {
			if got := c.ShowPort(p.ID); got.Status != "ACTIVE" {
				return fmt.Errorf("status %s", got.Status)
			}
			return nil
		})
		c.Exec("hv1", "ip", "link", "del", iface.Target.Dev) // the server has stopped
		c.novaPlug("unplug", p, server, by)
		if by == "libvirt" {
			c.Exec("hv1", "ovs-vsctl", "--timeout=5", "--", "--if-exists", "del-port", iface.Target.Dev)
		}
		nova.arrives("network-vif-unplugged completed " + tail)
		c.Delete("port", p.ID)
		nova.arrives("network-vif-deleted " + tail)
	}
}

// novaPlug runs Nova's code on the host, and gives the interface for libvirt.
func (c *Cloud) novaPlug(what string, p Port, server, by string) libvirtInterface {
	c.Helper()
	script, err := filepath.Abs("novaplug.py")
	c.Must(err)
	out := c.Exec("hv1", "/usr/bin/python3", "-W", "ignore", script, what, documented(c, "nova.conf"), c.novaConf(), p.ID, server, by)
	var iface libvirtInterface
	if what == "plug" {
		c.Must(xml.Unmarshal([]byte(out), &iface))
	}
	return iface
}

// documented writes the block of docs/openstack.md that is a file of the name, and
// gives its path.
func documented(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "openstack.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```[a-z]+ " + regexp.QuoteMeta(name) + "\n(.*?)^```$").FindSubmatch(b)
	if m == nil {
		t.Fatalf("docs/openstack.md has no block %s", name)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheDocumentedOptionsOfNovaAreNovas has Nova and os-vif read the page.
func TestTheDocumentedOptionsOfNovaAreNovas(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-W", "ignore", "novaplug.py", "check", documented(t, "nova.conf")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestTheDocumentedControllerIsAccepted has lepton-controller check the page's file,
// with certificates that leptonctl makes.
func TestTheDocumentedControllerIsAccepted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := func(program string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), filepath.Join(BinDir(), program), args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v: %s", program, args, err, out)
		}
	}
	run("leptonctl", "certs", "--dir", dir, "init", "--cloud", "example")
	run("leptonctl", "certs", "--dir", dir, "issue", "ctl1", "--address", "192.0.2.10")
	file := documented(t, "controller.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "/etc/lepton/tls", filepath.Join(dir, "ctl1"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run("lepton-controller", "--check", "--config", file)
}

// novaConf writes what is otherwise on the lab's host than the page has it: it has
// no Keystone, and its switch another place.
func (c *Cloud) novaConf() string {
	c.Helper()
	hosts := c.Lab.Plan().Hosts
	i := slices.IndexFunc(hosts, func(h lab.HostPlan) bool { return h.Name == "hv1" })
	path := filepath.Join(shortDir(c), "nova.conf")
	c.Must(os.WriteFile(path, []byte(`[neutron]
auth_type = none
endpoint = `+c.Lab.API().URL+`
endpoint_override = `+c.Lab.API().URL+`
[os_vif_ovs]
ovsdb_connection = unix:`+filepath.Join(hosts[i].Dir, "ovs", "db.sock")+`
`), 0o600))
	return path
}

// libvirt does what libvirt does with an interface when it starts a domain: it
// makes the tap, and a port of the switch for it if the interface is one of a
// bridge.
func (c *Cloud) libvirt(iface libvirtInterface, p Port, server, by string) {
	c.Helper()
	tap := "tap" + p.ID[:11]
	if iface.Target.Dev != tap || iface.MAC.Address != p.MAC || iface.MTU.Size == 0 {
		c.Errorf("the interface is %+v", iface)
	}
	c.Exec("hv1", "ip", "tuntap", "add", "dev", tap, "mode", "tap")
	c.Exec("hv1", "ip", "link", "set", tap, "up", "mtu", fmt.Sprint(iface.MTU.Size))
	switch {
	case by == "delegate" && iface.Type != "ethernet":
		c.Errorf("os-vif was to make the switch's port, and the interface is %+v", iface)
	case by == "libvirt":
		if iface.Type != "bridge" || iface.Source.Bridge != "br-int" || iface.VirtualPort.Type != "openvswitch" || iface.VirtualPort.Parameters.InterfaceID != p.ID {
			c.Errorf("the interface is %+v", iface)
		}
		// virNetDevOpenvswitchAddPort.
		c.Exec("hv1", "ovs-vsctl", "--timeout=5", "--", "--may-exist", "add-port", iface.Source.Bridge, tap,
			"--", "set", "Interface", tap, `external-ids:attached-mac="`+p.MAC+`"`,
			"--", "set", "Interface", tap, `external-ids:iface-id="`+iface.VirtualPort.Parameters.InterfaceID+`"`,
			"--", "set", "Interface", tap, `external-ids:vm-id="`+server+`"`,
			"--", "set", "Interface", tap, "external-ids:iface-status=active")
	}
}
