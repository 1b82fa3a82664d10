package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// ruleStats is what extension lepton-rule-stats says of a rule.
type ruleStats struct {
	Packets, Bytes int
	Hosts          []struct {
		Host           string
		Packets, Bytes int
		ReadAt         time.Time `json:"read_at"`
	}
}

func (c *Cloud) ruleStats(id string) ruleStats {
	c.Helper()
	var answer struct {
		Stats ruleStats `json:"lepton_stats"`
	}
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/security-group-rules/"+id+"/lepton-stats", nil, &answer))
	return answer.Stats
}

// Pings are counted by the rule that admits them, on the host that judges them,
// with their replies, and by no other.
func TestRulesCountWhatTheyAdmit(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	web := c.SecurityGroup("web")
	server, client := c.GuestIn("hv2", "server", n, web), c.Guest("hv1", "client", n)
	icmp := c.Rule("hv2", web, Attributes{"protocol": "icmp"})
	idle := c.Rule("hv2", web, Attributes{"protocol": "tcp", "port_range_min": 80, "port_range_max": 80})
	const pings = 5
	c.Ping(client, server.IP(4), lab.Ping{Count: pings})

	// One report may just have gone, and the next one is due after half a minute.
	var got ruleStats
	for deadline := time.Now().Add(90 * time.Second); got.Packets < 2*pings; time.Sleep(time.Second) {
		if got = c.ruleStats(icmp); time.Now().After(deadline) {
			t.Fatalf("after %d pings the rule has counted %+v\n%s", pings, got, c.Exec("hv2", "ovs-ofctl", "dump-flows", "br-int", "table=82"))
		}
	}
	if got.Packets != 2*pings || got.Bytes != 2*pings*98 {
		t.Errorf("counted %+v, want %d packets of 98 bytes", got, 2*pings)
	}
	if len(got.Hosts) != 1 || got.Hosts[0].Host != "hv2" || got.Hosts[0].Packets != got.Packets || time.Since(got.Hosts[0].ReadAt) > 2*time.Minute {
		t.Errorf("counted %+v, want all of it by hv2", got)
	}
	if other := c.ruleStats(idle); fmt.Sprint(other) != fmt.Sprint(ruleStats{Hosts: other.Hosts}) || len(other.Hosts) > 0 {
		t.Errorf("a rule that admitted nothing has counted %+v", other)
	}
}
