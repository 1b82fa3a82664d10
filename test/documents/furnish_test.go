package documents

import "strings"

// furniture is what the commands in the documents need.
const furniture = `network create demo
subnet create demo4 --network demo --subnet-range 10.0.0.0/24
router create demo
network qos policy create slow
network qos rule create slow --type bandwidth-limit --max-kbps 20000 --egress
network qos rule create slow --type bandwidth-limit --max-kbps 20000 --ingress
router set demo --external-gateway public --qos-policy slow
router add subnet demo demo4
network create spare
subnet create spare4 --network spare --subnet-range 10.1.0.0/24
router create watched --ha
router add subnet watched spare4
security group rule create default --protocol icmp
port create a --network demo
port create b --network demo
floating ip create public --port a
`

// furnish makes networks, routers and guests on the lab that the documents have
// left, and calls them as the documents do.
func (ty *typing) furnish() {
	ty.Helper()
	if out := ty.must(ty.at("net1", "openstack 2>&1 >/dev/null <<'END'\n"+furniture+"END\n")); out != "" {
		ty.Fatal(out)
	}
	ty.must(ty.here("leptonctl lab plug hv1 a && leptonctl lab plug hv2 b"))
	ty.must(ty.at("b", "ping -q -c 1 -w 20 10.0.0.1"))
	ty.must(ty.here("cd && echo hello >user-data && mkdir -p .ssh && ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519 <<<y"))
	var ports struct {
		Ports []struct {
			ID, Name string
			MAC      string `json:"mac_address"`
			Fixed    []struct {
				Address string `json:"ip_address"`
			} `json:"fixed_ips"`
		}
	}
	ty.get("/v2.0/ports?name=a", &ports)
	a := ports.Ports[0]
	var fips struct {
		FIPs []struct {
			ID      string
			Address string `json:"floating_ip_address"`
		} `json:"floatingips"`
	}
	ty.get("/v2.0/floatingips", &fips)
	var rules struct {
		Rules []struct{ ID string } `json:"security_group_rules"`
	}
	ty.get("/v2.0/security-group-rules", &rules)
	network, router := ty.id("networks", "demo"), ty.id("routers", "demo")
	var events struct {
		Events []struct {
			ID string
			By struct {
				Request string `json:"request_id"`
			}
		} `json:"lepton_events"`
	}
	ty.get("/v2.0/lepton-events?kind=change&resource=floatingip", &events)
	event := events.Events[len(events.Events)-1]
	link := func(begins string) string {
		out := ty.must(ty.at("net1", "ip -n qrouter-"+router+" -br link | grep ^"+begins))
		return strings.FieldsFunc(out, func(r rune) bool { return r == '@' || r == ' ' })[0]
	}
	other := ty.id("ports", "b")
	for _, n := range [][2]string{
		{`--to PORT`, "--to " + other},
		{`to=PORT`, "to=" + other},
		{`lepton-explain$`, "lepton-explain?from=" + a.ID + "&to=" + other},
		{`lab-hv1 …`, "lab-hv1 true"},
		{`<digits>`, strings.ReplaceAll(a.ID, "-", "")[:12]},
		{`\{ports,routers,floatingips,networks\}/<id>`, "ports/" + a.ID},
		{`security-group-rules/<id>`, "security-group-rules/" + rules.Rules[0].ID},
		{`floatingips/ID`, "floatingips/" + fips.FIPs[0].ID},
		{`qrouter-(<id>|ROUTER)`, "qrouter-" + router},
		{`qdhcp-(<network>|NETWORK)`, "qdhcp-" + network},
		{`/ha/<id>`, "/ha/" + ty.id("routers", "watched")},
		{`<run_dir>`, "/run/lepton/labs/lab/net1/run"},
		{`FLOATING_IP`, fips.FIPs[0].Address},
		{`<network>|NETWORK`, network},
		{`qg-…`, link("qg-")},
		{`ifb-…`, link("ifb-")},
		{`--router …`, "--router " + router},
		{`\bp1\b`, "a"},
		{`ROUTER`, router},
		{`GATEWAY`, "203.0.113.1"},
		{`GUEST`, a.Fixed[0].Address},
		{`<port>|\$?PORT`, a.ID},
		{`req-…`, event.By.Request},
		{`lepton-events/<id>`, "lepton-events/" + event.ID},
		{`TEXT&limit=N`, "a&limit=5"},
		{`TEXT`, "a"},
		{`5f2c6c0e-…`, a.ID},
		{`TAP`, "tap" + a.ID[:11]},
		{`<mac>|MAC`, a.MAC},
		{`HV`, "hv1"},
	} {
		ty.call(n[0], n[1])
	}
}
