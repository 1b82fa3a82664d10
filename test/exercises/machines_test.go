package exercises

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/test/machine"
)

// numbers are the last ones in the addresses of the Vagrantfile's machines, with
// the scripts that provision them.
var numbers = []struct {
	name, script string
	number       int
}{
	{"ctl1", "controller.sh", 10},
	{"net1", "network.sh", 20},
	{"hv1", "compute.sh", 31},
	{"hv2", "compute.sh", 32},
}

// stubVagrant does what the scripts ask of vagrant, with machines that need no
// hypervisor: $0.d/NAME has the process that is one.
const stubVagrant = `#!/bin/bash
case $1 in
up) ;;
ssh) exec nsenter -t "$(cat "$0.d/$2")" -m -p -n -u -i -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
	bash -c "sudo() { \"\$@\"; }; $4" ;;
*) exit 2 ;;
esac
`

// desk makes what vagrant/up leaves beside the Vagrantfile, by vagrant/up, and
// programs for the PATH in whose place none are built and booted.
func desk(t *testing.T) (dir, path string) {
	t.Helper()
	dir, path = t.TempDir(), t.TempDir()
	bin, err := filepath.Abs(filepath.Join(top, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	if debs, _ := filepath.Glob(filepath.Join(bin, "deb", "*.deb")); len(debs) < 3 {
		t.Fatalf("%d packages in %s/deb: make deb", len(debs), bin)
	}
	for _, err := range []error{
		os.CopyFS(filepath.Join(dir, "vagrant"), os.DirFS(filepath.Join(top, "vagrant"))),
		os.Symlink(bin, filepath.Join(dir, "bin")),
		os.WriteFile(filepath.Join(path, "make"), []byte("#!/bin/sh\n"), 0o755),
		os.WriteFile(filepath.Join(path, "vagrant"), []byte(stubVagrant), 0o755),
		os.Mkdir(filepath.Join(path, "vagrant.d"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	path += ":" + os.Getenv("PATH")
	if out, err := run(t, []string{"PATH=" + path}, filepath.Join(dir, "vagrant", "up")); err != nil {
		t.Fatalf("vagrant/up: %v\n%s", err, out)
	}
	return filepath.Join(dir, "vagrant"), path
}

// cable gives a machine the four links that vagrant gives it. The first is
// vagrant's own, and leads nowhere here.
func cable(hub, m *machine.Machine, name string, number int) {
	for i, network := range []string{"10.0.2", "192.168.56", "192.168.57", ""} {
		link := fmt.Sprintf("eth%d", i)
		hub.Wire(name+link, m, link)
		hub.Run(fmt.Sprintf("ip link set %s%s master net%d up", name, link, i))
		m.Run("ip link set " + link + " up")
		if network != "" {
			m.Run(fmt.Sprintf("ip addr add %s.%d/24 dev %s", network, number, link))
		}
	}
}

// TestTheScriptsOfTheMachinesMakeACloud runs what vagrant up would run in its
// machines, in machines without a hypervisor, and exercises on them. They have
// the userspace datapath, and Debian's packages already: there is no way out.
func TestTheScriptsOfTheMachinesMakeACloud(t *testing.T) {
	vagrant, path := desk(t)
	hub := machine.Boot(t, machine.Options{Name: "hub"})
	hub.Run("for i in 0 1 2 3; do ip link add net$i type bridge && ip link set net$i up; done")
	bin, err := filepath.Abs(filepath.Join(top, "bin", "deb"))
	if err != nil {
		t.Fatal(err)
	}
	machines := make([]*machine.Machine, len(numbers))
	for i, n := range numbers {
		m := machine.Boot(t, machine.Options{Name: n.name, Shares: map[string]string{"/vagrant": vagrant, "/debs": bin}})
		cable(hub, m, n.name, n.number)
		// There is no way to Debian's packages. What is installed already would
		// have been started by that.
		m.Run("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d && systemctl start openvswitch-switch")
		machines[i] = m
		pid := filepath.Join(strings.Split(path, ":")[0], "vagrant.d", n.name)
		if err := os.WriteFile(pid, fmt.Append(nil, m.PID()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	provisioned := make(chan error, len(numbers))
	for i, n := range numbers {
		go func() {
			began := time.Now()
			out, err := machines[i].Try(fmt.Sprintf("DATAPATH=netdev bash /vagrant/provision/%s %s %d", n.script, n.name, n.number))
			if err != nil {
				err = fmt.Errorf("%s: %w\n%s", n.script, err, out)
			}
			t.Logf("%s is provisioned after %v", n.name, time.Since(began).Round(time.Millisecond))
			provisioned <- err
		}()
	}
	for range numbers {
		if err := <-provisioned; err != nil {
			t.Fatal(err)
		}
	}
	machines[0].Eventually(`test "$(leptonctl agents | grep -c 'yes *yes')" = 3`, patience)
	for _, name := range []string{"01-flat-network", "05-network-node"} {
		t.Run(name, func(t *testing.T) {
			out, err := run(t, []string{"PATH=" + path, "PYTHONWARNINGS=ignore"}, "/bin/bash", filepath.Join(vagrant, "exercises", name+".sh"))
			if err != nil {
				agents, _ := machines[0].Try("leptonctl agents")
				t.Fatalf("%v\n%s\n%s", err, out, agents)
			}
			t.Log(out)
		})
	}
}
