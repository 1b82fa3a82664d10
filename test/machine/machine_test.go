package machine

import (
	"os"
	"testing"
)

func TestAMachineBootsRunsServicesAndLeavesNothing(t *testing.T) {
	var cgroup string
	t.Run("while it runs", func(t *testing.T) {
		m := Boot(t, Options{Name: "m1"})
		cgroup = m.cgroup
		m.Write("/etc/systemd/system/hello.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'hostname >/run/hello'\n")
		m.Run("systemctl daemon-reload && systemctl start hello")
		if got := m.Run("cat /run/hello; ps -p 1 -o comm="); got != "m1\nsystemd" {
			t.Errorf("in it: %q", got)
		}
		if _, err := m.Try("exit 3"); err == nil {
			t.Error("a line that fails does not fail")
		}
		m.Run("touch /etc/lepton-was-here")
	})
	for _, path := range []string{"/etc/lepton-was-here", "/etc/systemd/system/hello.service", cgroup} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}
