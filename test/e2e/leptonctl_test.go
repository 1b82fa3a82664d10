package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
)

// An operator on a host sees whose the flows are, also with the agent stopped.
func TestLeptonctlNamesTheObjectsBehindFlows(t *testing.T) {
	t.Parallel()
	c := Start(t, "two-node")
	n := c.Network(nil)
	c.Subnet(n, "10.0.0.0/24")
	web := c.SecurityGroup("web")
	server, client := c.GuestIn("hv2", "server", n, web), c.Guest("hv1", "client", n)
	icmp := c.Rule("hv2", web, Attributes{"protocol": "icmp"})
	c.Ping(client, server.IP(4), lab.Ping{Count: 3})

	leptonctl := filepath.Join(BinDir(), "leptonctl")
	c.Must(c.Lab.Stop(t.Context(), "hv2", "agent", false))
	see := func(what string, words ...string) {
		t.Helper()
		out := c.Exec("hv2", append([]string{leptonctl}, strings.Fields(what)...)...)
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("leptonctl %s does not tell %q:\n%s", what, w, out)
			}
		}
	}
	see("flows --table 82 --hit", "table 82 ingress_rules", "security group rule "+icmp+" (ingress IPv4 icmp)")
	see("flows --object "+server.Port.ID, `port `+server.Port.ID+` "server"`, "table 61 local_mac_direct", "identity of port")
	see("flows --object 00000000-0000-4000-8000-000000000000", "no such flows on br-int")
	see("flows br-tun", "table 0 ", "tunnel of network "+n.ID)
	see("flows -o json --table 82", `"owner": "security group rule `+icmp)
	packet := fmt.Sprintf("in_port=patch-tun,dl_vlan=1,dl_src=%s,dl_dst=%s,icmp,nw_src=%s,nw_dst=%s", client.Port.MAC, server.Port.MAC, client.IP(4), server.IP(4))
	see("trace br-int "+packet, "← network "+n.ID, "← security group rule "+icmp)
	// From outside the lab's hosts are named.
	dir := filepath.Dir(filepath.Dir(c.Lab.Plan().Hosts[0].Dir))
	for want, flags := range map[string]string{"security group rule " + icmp: "hv2", "has no host": "hv9", "needs --host": ""} {
		cmd := exec.CommandContext(t.Context(), leptonctl, "--dir", dir, "--lab", c.Lab.Name(), "flows", "--table", "82", "--host", flags)
		if out, _ := cmd.CombinedOutput(); !strings.Contains(string(out), want) {
			t.Errorf("flows of host %q tell %s, not %q", flags, out, want)
		}
	}
	if err := c.Lab.Start(t.Context(), "hv2", "agent"); err != nil {
		t.Fatal(err)
	}
}
