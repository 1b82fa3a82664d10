package documents

import "regexp"

// elsewhere are documents whose commands another test types, or that have none
// of their own.
var elsewhere = map[string]string{
	"docs/openstack.md":           "test/conformance/page.go",
	"docs/moving-from-neutron.md": "test/conformance/takeover.go",
	"docs/pipeline.md":            "pipeline", // written from the code
}

// machines are the places of blocks that test/packages runs on fresh machines.
var machines = map[string]bool{"ctl1": true, "hv1": true, "hv2": true}

// onMachines are the documents that have such blocks.
var onMachines = map[string]bool{"docs/install.md": true, "docs/operations.md": true}

// notTyped are commands that are named and not typed, with the reason.
var notTyped = map[string]string{
	"sudo CLOUD=lab vagrant/exercises/01-flat-network.sh": "test/exercises runs it on both kinds of cloud",
	"sudo apt-get install vagrant vagrant-libvirt":        "virtual machines need a hypervisor",
	"vagrant/up":                                              "virtual machines need a hypervisor; test/exercises provisions machines without one",
	"vagrant/exercises/01-flat-network.sh":                    "test/exercises runs it on both kinds of cloud",
	"(cd vagrant && vagrant ssh ctl1)":                        "virtual machines need a hypervisor",
	"(cd vagrant && vagrant destroy)":                         "virtual machines need a hypervisor",
	"apt-get install --allow-downgrades":                      "test/packages does it",
	"apt-get remove":                                          "test/packages does it",
	"apt-get purge":                                           "test/packages does it",
	"systemctl restart lepton-controller":                     "test/packages does it",
	"journalctl -u lepton-agent":                              "needs the unit: test/packages does it",
	"openstack network log create":                            "named only: the page about troubleshooting has all of it",
	"openstack network agent set --enable":                    "named only: test/packages does it",
	"openstack network agent delete":                          "would forget an agent that lives",
	"openstack server migrate":                                "Nova's",
	"ip -all netns delete":                                    "would end the lab",
	"ovs-vsctl del-br br-int":                                 "would end the lab",
	"ovs-vsctl del-br br-tun":                                 "would end the lab",
	"ovs-vsctl add-br br-phys":                                "labs have the bridges of physical networks",
	"ovs-vsctl add-port br-phys eth1":                         "hosts of labs have no eth1",
	"ovs-vsctl set-ssl KEY CERT CA":                           "test/security reaches a database by TLS",
	"ovs-vsctl set-manager pssl:6640:127.0.0.1":               "test/security reaches a database by TLS",
	"ovs-ofctl --bundle add-flows":                            "what a measurement is compared with",
	"ovs-ofctl mod-meter":                                     "what a test changes by hand",
	"ovs-ofctl dump-flows":                                    "named only: others name the bridge, too",
	"lepton-controller --config FILE":                         "labs and units start it so",
	"lepton-agent --config FILE":                              "labs and units start it so",
	"ip netns exec":                                           "named only",
	"ip -batch":                                               "what a measurement is compared with",
	"iptables-restore --noflush":                              "what agents call",
	"lepton-agent <instance>":                                 "part of a comment in a rule",
	"lepton-agent metadata-proxy":                             "agents start it",
	"ethtool -K tap… tx off":                                  "what agents do",
	"ip rule":                                                 "of distributed routers: test/e2e looks at them",
	"conntrack -L":                                            "of highly available routers: test/e2e looks at them",
	"ovs-ofctl dump-flows br-int table=60 | grep userdata=51": "of dhcp.mode local: test/e2e looks at them",
	"etcdctl snapshot save":                                   "named only: its own documentation tells",
	"etcdctl endpoint status":                                 "test/clusterfaults types it",
	"etcdctl alarm list":                                      "test/clusterfaults types it",
}

// usages are commands of leptonctl that are named without what they need: their
// --help must know the words and flags.
var usages = regexp.MustCompile(`^leptonctl( lab| certs| import| explain| --lab)$|^leptonctl (lab .*(\[|HOST|GUEST|PORT)|lab (up|exec|plug|down)$|certs (issue|init|revoke|show --expiring))`)

// places says where a command in text is typed; the first that matches counts.
var places = []struct {
	command *regexp.Regexp
	place   string
}{
	{regexp.MustCompile(`^(ping|curl -v http://169|ip route add 169)`), "a"},
	{regexp.MustCompile(`^lab |^leptonctl (lab|certs|--lab)|^(ip netns exec )lab-`), ""},
	{regexp.MustCompile(`^ovs-ofctl .*br-tun`), "hv2"},
	{regexp.MustCompile(`^ovs-ofctl dump-flows br-int \| grep|^leptonctl (flows|trace)|^ovs-vsctl .*find`), "hv1"},
	{regexp.MustCompile(``), "net1"},
}

// seen says what a document promises of a command's answer.
var seen = []struct {
	page, command, promise string
	answer                 *regexp.Regexp
}{
	{"docs/lab.md", "bin/leptonctl lab status", "three nodes: net1, hv1, hv2", regexp.MustCompile(`(?s)net1 .*alive.*hv1 .*alive.*hv2 .*alive`)},
	{"docs/lab.md", "lab exec a -- ping", "b's address, as plug printed it", regexp.MustCompile(` 0% packet loss`)},
	{"docs/lab.md", "ovs-ofctl dump-flows --names", "ovs-ofctl dump-flows --names br-int", regexp.MustCompile(`table=classify`)},
	{"docs/metadata.md", "ss -ltn", "# *:9697", regexp.MustCompile(`\*:9697`)},
	{"docs/metadata.md", "iptables-save | grep 9697", "the router's rules redirect", regexp.MustCompile(`REDIRECT`)},
	{"docs/metadata.md", "curl -X POST", "hostname", regexp.MustCompile(`"hostname": ?"web-1"`)},
	{"docs/dhcp.md", "grep <mac>", "does the server know it", regexp.MustCompile(`fa:16:3e`)},
	{"docs/dhcp.md", "openstack port show", "is it ACTIVE? where?", regexp.MustCompile(`(?s)binding_host_id +\| hv1 .*ACTIVE`)},
	{"docs/dhcp.md", "--network <network>", "who serves it", regexp.MustCompile(`net1`)},
	{"docs/operations.md", "leptonctl events --object", "Who changed what", regexp.MustCompile(`create`)},
	{"docs/troubleshooting.md", "leptonctl explain --from PORT --to PORT --proto", "`DROPPED` names what drops it", regexp.MustCompile(`PASSES|DROPPED`)},
	{"docs/troubleshooting.md", "--to 198.51.100.1", "`LEAVES` means", regexp.MustCompile(`LEAVES`)},
	{"docs/troubleshooting.md", "find Interface", "an `ofport` above 0", regexp.MustCompile(`ofport +: [1-9]`)},
	{"docs/troubleshooting.md", "leptonctl flows --object", "table 0", regexp.MustCompile(`classify`)},
	{"docs/troubleshooting.md", "ping GUEST", "from the guest outwards", regexp.MustCompile(`bytes from`)},
	{"docs/troubleshooting.md", "ping GATEWAY", "from the guest outwards", regexp.MustCompile(`bytes from`)},
	{"docs/troubleshooting.md", "ping -M do -s 1422", "finds the limit", regexp.MustCompile(`1430 bytes from`)},
}
