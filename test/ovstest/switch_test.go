package ovstest

import (
	"os"
	"strings"
	"testing"
)

func TestASwitchForwardsFlowsToItsTable(t *testing.T) {
	s := Start(t)
	s.AddBridge("br-test")
	s.AddPort("br-test", "p1", 1)
	s.AddFlows("br-test", "table=3,priority=7,in_port=1,actions=drop\n")
	if got := s.Ofctl("--no-stats", "--no-names", "dump-flows", "br-test"); !strings.Contains(got, "table=3, priority=7,in_port=1 actions=drop") {
		t.Fatalf("dump-flows prints %q", got)
	}
	if got := s.Exec("ip", "-o", "link", "show", "p1"); !strings.Contains(got, "p1") {
		t.Fatalf("ip link in the namespace prints %q", got)
	}
	if _, err := os.Stat("/sys/class/net/p1"); err == nil {
		t.Fatal("the port is visible outside the switch's namespace")
	}
}

func TestASwitchKeepsItsBridgesWhenTheDaemonRestarts(t *testing.T) {
	s := Start(t)
	s.AddBridge("br-test")
	s.StopDaemon()
	s.StartDaemon()
	if got := s.Ofctl("dump-flows", "br-test"); strings.Contains(got, "actions") {
		t.Fatalf("a secure bridge starts with flows: %q", got)
	}
}
