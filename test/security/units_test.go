package security

import (
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// What systemd itself thinks of the units, from 0 (safe) to 10. The agent's is
// higher because it has to be root, on the host's own network and mounts: its
// network namespaces are for everybody to see.
func TestTheUnitsAreAsConfinedAsTheirWorkAllows(t *testing.T) {
	for unit, most := range map[string]float64{"lepton-controller": 1.5, "lepton-agent": 6.5} {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "../../packaging/systemd/"+unit+".service").CombinedOutput()
		m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
		if m == nil {
			t.Fatalf("systemd-analyze says of %s (%v):\n%s", unit, err, out)
		}
		got, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		if got > most {
			t.Errorf("%s is exposed by %.1f, at most %.1f were allowed:\n%s", unit, got, most, out)
		}
	}
}
