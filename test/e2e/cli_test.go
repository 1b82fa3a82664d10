package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/lab"
)

// stock is the distribution's client, whatever else is on the PATH.
const stock = "/usr/bin/openstack"

// step is a command typed into the stock client, and what it must say.
type step struct {
	command string
	// shows is what the answer to a command with -f json must have: Attributes
	// of an object, or []Attributes of a list's rows in any order. Attributes
	// that are not named may be anything. nil: the command says nothing.
	shows any
	// refused is what the client must say of a command that fails.
	refused string
}

// answer is what the client said to one command.
type answer struct {
	shows   any
	refused string
}

// openstack types the commands into one session of the stock client on the
// controller's host: it takes a second to start.
func (c *Cloud) openstack(commands ...string) []answer {
	c.Helper()
	var typed strings.Builder
	for i, command := range commands {
		// The session does not say where an answer ends. A network that is not
		// there is a mark in the stream of complaints.
		fmt.Fprintf(&typed, "%s\nnetwork show end-of-%d\n", command, i)
	}
	place, err := c.Lab.Place("net1")
	c.Must(err)
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	// A host's environment has OS_AUTH_TYPE and OS_ENDPOINT; a session would take
	// arguments for commands.
	cmd := place.Command(ctx, stock)
	cmd.Env = append(cmd.Env, "PYTHONWARNINGS=ignore", "COLUMNS=500")
	var out, complaints bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(typed.String()), &out, &complaints
	c.Must(cmd.Start())
	_ = cmd.Wait() // fails when the last command does
	return c.match(commands, out.String(), complaints.String())
}

// match gives each command its part of what the session wrote.
func (c *Cloud) match(commands []string, out, complaints string) []answer {
	c.Helper()
	documents := json.NewDecoder(strings.NewReader(out))
	answers := make([]answer, len(commands))
	for i, command := range commands {
		said, rest, found := strings.Cut(complaints, fmt.Sprintf("No Network found for end-of-%d\n", i))
		if !found {
			c.Fatalf("%s: no end of it in %q, output:\n%s", command, complaints, out)
		}
		// The mark's own line may begin with words of the client.
		complaints, answers[i].refused = rest, strings.TrimSpace(strings.TrimSuffix(said, "Error while executing command: "))
		if answers[i].refused != "" || !strings.Contains(command, "-f json") {
			continue
		}
		if err := documents.Decode(&answers[i].shows); err != nil {
			c.Fatalf("%s: read answer: %v in\n%s", command, err, out)
		}
	}
	return answers
}

// walk types the steps and checks the answers.
func (c *Cloud) walk(steps []step) {
	c.Helper()
	var commands []string
	for _, s := range steps {
		commands = append(commands, s.command)
	}
	for i, a := range c.openstack(commands...) {
		s := steps[i]
		if (s.refused == "") != (a.refused == "") || !strings.Contains(a.refused, s.refused) {
			c.Errorf("%s\n is refused with %q, want %q", s.command, a.refused, s.refused)
			continue
		}
		if diff := c.differences(s.shows, a.shows); diff != "" {
			c.Errorf("%s\n shows what it should not (-want +got):\n%s", s.command, diff)
		}
	}
}

// differences compares what was wanted of an answer with the answer.
func (c *Cloud) differences(want, got any) string {
	c.Helper()
	if want == nil {
		return ""
	}
	// Numbers and lists become what a JSON answer has.
	b, err := json.Marshal(want)
	c.Must(err)
	var plain any
	c.Must(json.Unmarshal(b, &plain))
	rows, isList := plain.([]any)
	if !isList {
		return cmp.Diff(plain, only(plain, got))
	}
	found, _ := got.([]any)
	if len(found) != len(rows) {
		return fmt.Sprintf("%d rows, want %d: %v", len(found), len(rows), got)
	}
	for _, row := range rows {
		has := false
		for _, f := range found {
			has = has || cmp.Equal(row, only(row, f))
		}
		if !has {
			return fmt.Sprintf("no row with %v in %v", row, got)
		}
	}
	return ""
}

// only gives the attributes of got that want has too.
func only(want, got any) any {
	w, ok1 := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		return got
	}
	out := map[string]any{}
	for k := range w {
		if v, ok := g[k]; ok {
			out[k] = v
		}
	}
	return out
}

func TestTheStockClientWorks(t *testing.T) {
	c := Start(t, "three-node")
	for _, chapter := range []struct {
		name  string
		steps []step
	}{
		{"extensions and agents", agentSteps(c)},
		{"networks", networkSteps},
		{"subnets", subnetSteps},
		{"security groups", groupSteps},
		{"ports", portSteps},
		{"what is in use stays", inUseSteps},
		{"everything can be deleted", deleteSteps},
	} {
		t.Run(chapter.name, func(t *testing.T) { c.in(t).walk(chapter.steps) })
	}
	t.Run("single commands end with exit codes", func(t *testing.T) {
		c := c.in(t)
		single := []string{stock, "--os-auth-type", "none", "--os-endpoint", "http://127.0.0.1:9696"}
		if out := c.Exec("net1", append(single, "network", "create", "one", "-f", "value", "-c", "mtu")...); strings.TrimSpace(out) != "1450" {
			t.Errorf("network create says %q", out)
		}
		place, err := c.Lab.Place("net1")
		c.Must(err)
		_, err = place.Exec(t.Context(), append(single, "network", "show", "two")...)
		if code, _ := lab.ExitCode(err); code != 1 || !strings.Contains(err.Error(), "No Network found for two") {
			t.Errorf("network show of what is not there: %v", err)
		}
	})
}

func agentSteps(c *Cloud) []step {
	agents, err := c.Lab.API().Agents(c.Context())
	c.Must(err)
	hv1 := ""
	for _, a := range agents {
		if a.Host == "hv1" {
			hv1 = a.ID
		}
	}
	agent := func(host string) Attributes {
		return Attributes{
			"Host": host, "Alive": true, "State": true,
			"Agent Type": "Open vSwitch agent", "Binary": "neutron-openvswitch-agent",
		}
	}
	show := "network agent show " + hv1 + " -f json"
	return []step{
		{command: "extension show security-group -f json", shows: Attributes{"alias": "security-group"}},
		{command: "network agent list -f json", shows: []Attributes{agent("net1"), agent("hv1"), agent("hv2")}},
		{command: "network agent list --host hv1 --agent-type open-vswitch -f json", shows: []Attributes{agent("hv1")}},
		{command: "network agent list --agent-type dhcp -f json", shows: []Attributes{}},
		{command: show, shows: Attributes{"host": "hv1", "alive": true, "admin_state_up": true}},
		{command: "network agent set " + hv1 + " --disable --description maintenance"},
		{command: show, shows: Attributes{"alive": true, "admin_state_up": false, "description": "maintenance"}},
		{command: "network agent set " + hv1 + " --enable"},
		{command: show, shows: Attributes{"admin_state_up": true}},
		{command: "network agent show 00000000-0000-0000-0000-000000000000 -f json", refused: "could not be found"},
		{command: "availability zone list --network -f json", shows: []Attributes{}},
	}
}

var networkSteps = []step{
	{
		command: "network create tenant -f json",
		shows: Attributes{
			"name": "tenant", "status": "ACTIVE", "admin_state_up": true, "mtu": 1450,
			"provider:network_type": "vxlan", "provider:physical_network": nil, "router:external": false,
			"shared": false, "port_security_enabled": true, "subnets": []any{}, "tags": []any{}, "revision_number": 1,
		},
	},
	{
		command: "network create blue --provider-network-type vxlan --provider-segment 4242 --mtu 1400 --share --description ocean --dns-domain example.org. --tag t1 --tag t2 -f json",
		shows: Attributes{
			"provider:network_type": "vxlan", "provider:segmentation_id": 4242, "mtu": 1400, "shared": true,
			"description": "ocean", "dns_domain": "example.org.", "tags": []string{"t1", "t2"},
		},
	},
	{
		command: "network create green --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 101 --disable-port-security --disable -f json",
		shows: Attributes{
			"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 101,
			"mtu": 1500, "port_security_enabled": false, "admin_state_up": false,
		},
	},
	{
		command: "network create white --provider-network-type flat --provider-physical-network physnet1 --external --default -f json",
		shows: Attributes{
			"provider:network_type": "flat", "provider:segmentation_id": nil, "router:external": true, "is_default": true,
		},
	},
	{command: "network create gre --provider-network-type gre -f json", shows: Attributes{"provider:network_type": "gre", "mtu": 1458}},
	{command: "network create geneve --provider-network-type geneve -f json", shows: Attributes{"provider:network_type": "geneve", "mtu": 1450}},
	{command: "network create local --provider-network-type local -f json", shows: Attributes{"provider:network_type": "local", "provider:segmentation_id": nil}},
	{
		command: "network create twice --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 101",
		refused: "ConflictException: 409, Unable to create the network. The VLAN 101 on physical network physnet1 is in use.",
	},
	{
		command: "network create twice --provider-network-type vxlan --provider-segment 4242",
		refused: "ConflictException: 409, Unable to create the network. The tunnel ID 4242 is in use.",
	},
	{
		command: "network create twice --provider-network-type flat --provider-physical-network physnet1",
		refused: "409, Unable to create the flat network. Physical network physnet1 is in use.",
	},
	{command: "network create odd --provider-network-type carrier-pigeon", refused: "carrier-pigeon"},
	{command: "network create odd --provider-network-type vlan --provider-physical-network nosuch", refused: "nosuch"},
	{command: "network create odd --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 5000", refused: "400"},
	{command: "network create odd --mtu 9000", refused: "Requested MTU is too big, maximum is 1450."},
	{
		command: "network list --long -f json",
		shows: []Attributes{
			{"Name": "tenant", "Network Type": "vxlan", "State": true, "Shared": false},
			{"Name": "blue", "Network Type": "vxlan", "Shared": true, "Tags": []string{"t1", "t2"}},
			{"Name": "green", "Network Type": "vlan", "State": false},
			{"Name": "white", "Network Type": "flat", "Router Type": true},
			{"Name": "gre"},
			{"Name": "geneve"},
			{"Name": "local"},
		},
	},
	{command: "network list --external -f json", shows: []Attributes{{"Name": "white"}}},
	{command: "network list --provider-segment 4242 -f json", shows: []Attributes{{"Name": "blue"}}},
	{command: "network list --provider-network-type vlan -f json", shows: []Attributes{{"Name": "green"}}},
	{command: "network list --name blue -f json", shows: []Attributes{{"Name": "blue"}}},
	{command: "network list --disable -f json", shows: []Attributes{{"Name": "green"}}},
	{command: "network list --share -f json", shows: []Attributes{{"Name": "blue"}}},
	{command: "network list --tags t1,t2 -f json", shows: []Attributes{{"Name": "blue"}}},
	{command: "network list --not-tags t1 --provider-network-type vxlan -f json", shows: []Attributes{{"Name": "tenant"}}},
	{command: "network set blue --name azure --mtu 1300 --no-share --description sky --dns-domain example.com. --tag t3"},
	{
		command: "network show azure -f json",
		shows: Attributes{
			"name": "azure", "mtu": 1300, "shared": false, "description": "sky", "dns_domain": "example.com.",
			"tags": []string{"t1", "t2", "t3"}, "provider:segmentation_id": 4242,
		},
	},
	{command: "network unset azure --tag t1 --tag t3"},
	{command: "network show azure -f json", shows: Attributes{"tags": []string{"t2"}}},
	{command: "network set green --enable --enable-port-security --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 102"},
	{
		command: "network show green -f json",
		shows:   Attributes{"admin_state_up": true, "port_security_enabled": true, "provider:segmentation_id": 102},
	},
	{command: "network set white --internal"},
	{command: "network show white -f json", shows: Attributes{"router:external": false, "is_default": false}},
	{command: "network show blue -f json", refused: "No Network found for blue"},
	{command: "network delete gre geneve local"},
	{command: "network list --provider-network-type gre -f json", shows: []Attributes{}},
}

var subnetSteps = []step{
	{
		command: "subnet create plain --network tenant --subnet-range 10.9.0.0/29 -f json",
		shows: Attributes{
			"cidr": "10.9.0.0/29", "gateway_ip": "10.9.0.1", "enable_dhcp": true, "ip_version": 4,
			"allocation_pools": []Attributes{{"start": "10.9.0.2", "end": "10.9.0.6"}},
		},
	},
	{
		command: "subnet create s4 --network azure --subnet-range 10.1.0.0/24 --gateway 10.1.0.254 --no-dhcp" +
			" --allocation-pool start=10.1.0.30,end=10.1.0.40 --allocation-pool start=10.1.0.10,end=10.1.0.20" +
			" --dns-nameserver 192.0.2.53 --dns-nameserver 192.0.2.54" +
			" --host-route destination=198.51.100.0/24,gateway=10.1.0.3 --description first --tag s -f json",
		shows: Attributes{
			"gateway_ip": "10.1.0.254", "enable_dhcp": false, "description": "first", "tags": []string{"s"},
			"dns_nameservers": []string{"192.0.2.53", "192.0.2.54"},
			"host_routes":     []Attributes{{"destination": "198.51.100.0/24", "nexthop": "10.1.0.3"}},
		},
	},
	{
		command: "subnet create s6 --network azure --ip-version 6 --subnet-range fd00:1::/64 --gateway fd00:1::ff --dns-nameserver 2001:db8::53 -f json",
		shows: Attributes{
			"cidr": "fd00:1::/64", "ip_version": 6, "gateway_ip": "fd00:1::ff", "dns_nameservers": []string{"2001:db8::53"},
			"ipv6_ra_mode": nil, "ipv6_address_mode": nil,
			"allocation_pools": []Attributes{
				{"start": "fd00:1::1", "end": "fd00:1::fe"},
				{"start": "fd00:1::100", "end": "fd00:1::ffff:ffff:ffff:ffff"},
			},
		},
	},
	{
		command: "subnet create s6auto --network tenant --ip-version 6 --subnet-range fd00:2::/64 --ipv6-ra-mode slaac --ipv6-address-mode slaac -f json",
		shows:   Attributes{"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac", "gateway_ip": "fd00:2::"},
	},
	{command: "subnet create odd --network azure --subnet-range 10.300.0.0/24", refused: "400: Client Error for url: http://127.0.0.1:9696/v2.0/subnets, Invalid input for cidr. Reason: '10.300.0.0/24' is not a valid IP subnet."},
	{command: "subnet create odd --network azure --subnet-range 10.1.0.0/25", refused: "overlaps with another subnet"},
	{
		command: "subnet create odd --network azure --subnet-range 10.2.0.0/24 --gateway 10.2.0.5 --allocation-pool start=10.2.0.2,end=10.2.0.9",
		refused: "409: Client Error for url: http://127.0.0.1:9696/v2.0/subnets, Gateway ip 10.2.0.5 conflicts with allocation pool 10.2.0.2-10.2.0.9.",
	},
	{command: "subnet create odd --network azure --subnet-range 10.2.0.0/24 --allocation-pool start=10.3.0.2,end=10.3.0.9", refused: "10.3.0.2"},
	{command: "subnet create odd --network azure --ip-version 6 --subnet-range 10.2.0.0/24", refused: "10.2.0.0/24"},
	{command: "subnet create odd --network nosuch --subnet-range 10.2.0.0/24", refused: "No Network found for nosuch"},
	{
		command: "subnet list --network azure --long -f json",
		shows: []Attributes{
			{"Name": "s4", "Subnet": "10.1.0.0/24", "DHCP": false, "Gateway": "10.1.0.254", "IP Version": 4, "Tags": []string{"s"}},
			{"Name": "s6", "Subnet": "fd00:1::/64", "DHCP": true, "Gateway": "fd00:1::ff", "IP Version": 6},
		},
	},
	{command: "subnet list --ip-version 6 -f json", shows: []Attributes{{"Name": "s6"}, {"Name": "s6auto"}}},
	{command: "subnet list --subnet-range 10.9.0.0/29 -f json", shows: []Attributes{{"Name": "plain"}}},
	{command: "subnet list --gateway 10.1.0.254 -f json", shows: []Attributes{{"Name": "s4"}}},
	{command: "subnet list --no-dhcp -f json", shows: []Attributes{{"Name": "s4"}}},
	{
		command: "subnet set s4 --name s4new --no-allocation-pool --allocation-pool start=10.1.0.50,end=10.1.0.60" +
			" --no-dns-nameservers --dns-nameserver 192.0.2.99 --no-host-route --host-route destination=203.0.113.0/24,gateway=10.1.0.4 --gateway 10.1.0.1 --dhcp --tag u",
	},
	{
		command: "subnet show s4new -f json",
		shows: Attributes{
			"allocation_pools": []Attributes{{"start": "10.1.0.50", "end": "10.1.0.60"}},
			"dns_nameservers":  []string{"192.0.2.99"}, "gateway_ip": "10.1.0.1", "enable_dhcp": true,
			"host_routes": []Attributes{{"destination": "203.0.113.0/24", "nexthop": "10.1.0.4"}},
			"tags":        []string{"s", "u"},
		},
	},
	{command: "subnet unset s4new --dns-nameserver 192.0.2.99 --host-route destination=203.0.113.0/24,gateway=10.1.0.4 --tag u"},
	{command: "subnet set s4new --gateway none"},
	{
		command: "subnet show s4new -f json",
		shows:   Attributes{"dns_nameservers": []any{}, "host_routes": []any{}, "gateway_ip": nil, "tags": []string{"s"}},
	},
	{command: "subnet set s4new --gateway 10.1.0.55", refused: "Gateway ip 10.1.0.55 conflicts with allocation pool 10.1.0.50-10.1.0.60."},
}

var groupSteps = []step{
	{
		command: "security group list -f json",
		shows:   []Attributes{{"Name": "default", "Description": "Default security group"}},
	},
	{
		command: "security group create web --description servers --tag k -f json",
		shows:   Attributes{"name": "web", "description": "servers", "tags": []string{"k"}, "stateful": true},
	},
	{
		command: "security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24 --description hello -f json",
		shows: Attributes{
			"direction": "ingress", "ether_type": "IPv4", "protocol": "tcp", "port_range_min": 80, "port_range_max": 81,
			"remote_ip_prefix": "192.0.2.0/24", "description": "hello",
		},
	},
	{
		command: "security group rule create web --protocol ipv6-icmp --ethertype IPv6 --icmp-type 128 -f json",
		shows:   Attributes{"ether_type": "IPv6", "protocol": "ipv6-icmp", "port_range_min": 128, "port_range_max": nil},
	},
	{
		command: "security group rule create web --egress --protocol udp --dst-port 53 --remote-group default -f json",
		shows:   Attributes{"direction": "egress", "protocol": "udp", "port_range_min": 53, "remote_ip_prefix": nil},
	},
	{
		command: "security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 192.0.2.0/24",
		refused: "409, Security group rule already exists.",
	},
	{command: "security group rule create web --protocol sneakernet", refused: "sneakernet"},
	{command: "security group rule create web --protocol tcp --remote-ip 192.0.2.0/33", refused: "192.0.2.0/33"},
	{command: "security group rule create nosuch --protocol tcp", refused: "No SecurityGroup found for nosuch"},
	{
		command: "security group rule list web -f json",
		shows: []Attributes{
			{"Direction": "egress", "Ethertype": "IPv4", "IP Protocol": nil},
			{"Direction": "egress", "Ethertype": "IPv6", "IP Protocol": nil},
			{"Direction": "ingress", "IP Protocol": "tcp", "Port Range": "80:81", "IP Range": "192.0.2.0/24"},
			{"Direction": "ingress", "IP Protocol": "ipv6-icmp", "Port Range": "type=128", "IP Range": "::/0"},
			{"Direction": "egress", "IP Protocol": "udp", "Port Range": "53:53"},
		},
	},
	{command: "security group rule list web --protocol tcp -f json", shows: []Attributes{{"IP Protocol": "tcp"}}},
	{command: "security group rule list web --ingress -f json", shows: []Attributes{{"IP Protocol": "tcp"}, {"IP Protocol": "ipv6-icmp"}}},
	{command: "security group set web --name www --description changed"},
	{command: "security group show www -f json", shows: Attributes{"name": "www", "description": "changed"}},
	{command: "security group create spare -f json", shows: Attributes{"name": "spare"}},
	{command: "security group list --tags k -f json", shows: []Attributes{{"Name": "www"}}},
	{command: "security group delete spare"},
	{command: "security group list -f json", shows: []Attributes{{"Name": "default"}, {"Name": "www"}}},
}

var portSteps = []step{
	{
		command: "port create p1 --network azure --fixed-ip subnet=s4new,ip-address=10.1.0.55 --mac-address fa:16:3e:00:00:55 --host hv1" +
			" --security-group www --allowed-address ip-address=10.1.0.77 --allowed-address ip-address=10.1.0.78,mac-address=fa:16:3e:00:00:78" +
			" --dns-name mail --description one --device dev1 --device-owner compute:nova --tag pt -f json",
		shows: Attributes{
			"mac_address": "fa:16:3e:00:00:55", "status": "DOWN", "description": "one", "device_id": "dev1", "device_owner": "compute:nova",
			"binding_host_id": "hv1", "binding_vif_type": "ovs", "binding_vnic_type": "normal", "dns_name": "mail", "tags": []string{"pt"},
			"allowed_address_pairs": []Attributes{
				{"ip_address": "10.1.0.77", "mac_address": "fa:16:3e:00:00:55"},
				{"ip_address": "10.1.0.78", "mac_address": "fa:16:3e:00:00:78"},
			},
		},
	},
	{
		command: "port create p2 --network azure --no-fixed-ip --no-security-group --disable-port-security --disable -f json",
		shows: Attributes{
			"fixed_ips": []any{}, "security_group_ids": []any{}, "port_security_enabled": false, "admin_state_up": false,
			"binding_vif_type": "unbound", "binding_host_id": "", "ip_allocation": "none",
		},
	},
	{
		command: "port create p3 --network azure --fixed-ip subnet=s6,ip-address=fd00:1::33 -f json",
		shows:   Attributes{"admin_state_up": true, "port_security_enabled": true, "ip_allocation": "immediate"},
	},
	{command: "port create auto --network tenant --mac-address fa:16:3e:00:00:01 -f json", shows: Attributes{"name": "auto"}},
	{command: "port list --fixed-ip ip-address=fd00:2::f816:3eff:fe00:1 -f json", shows: []Attributes{{"Name": "auto"}}},
	{command: "port list --network azure -f json", shows: []Attributes{{"Name": "p1"}, {"Name": "p2"}, {"Name": "p3"}}},
	{command: "port list --host hv1 -f json", shows: []Attributes{{"Name": "p1"}}},
	{command: "port list --mac-address fa:16:3e:00:00:55 -f json", shows: []Attributes{{"Name": "p1", "Status": "DOWN"}}},
	{command: "port list --fixed-ip ip-address=10.1.0.55 -f json", shows: []Attributes{{"Name": "p1"}}},
	{command: "port list --fixed-ip subnet=s6 -f json", shows: []Attributes{{"Name": "p3"}}},
	{command: "port list --fixed-ip ip-substring=10.1.0. -f json", shows: []Attributes{{"Name": "p1"}}},
	{command: "port list --device-owner compute:nova -f json", shows: []Attributes{{"Name": "p1"}}},
	{command: "port list --tags pt --long -f json", shows: []Attributes{{"Name": "p1", "Device Owner": "compute:nova", "Tags": []string{"pt"}}}},
	{command: "port create odd --network azure --fixed-ip ip-address=10.1.0.55", refused: "409: Client Error for url: http://127.0.0.1:9696/v2.0/ports, IP address 10.1.0.55 already allocated in subnet"},
	{command: "port create odd --network azure --fixed-ip ip-address=192.0.2.1", refused: "192.0.2.1"},
	{command: "port create odd --network azure --mac-address fa:16:3e:00:00:55", refused: "fa:16:3e:00:00:55"},
	{command: "port create odd --network azure --mac-address fa:16", refused: "'fa:16' is not a valid MAC address"},
	{command: "port create odd --network azure --disable-port-security --allowed-address ip-address=10.1.0.77", refused: "409"},
	{
		command: "port set p1 --name one --no-fixed-ip --fixed-ip subnet=s4new,ip-address=10.1.0.56 --no-allowed-address --allowed-address ip-address=10.1.0.79" +
			" --host hv2 --disable --no-security-group --description two --dns-name web --tag nt",
	},
	{
		command: "port show one -f json",
		shows: Attributes{
			"name": "one", "binding_host_id": "hv2", "admin_state_up": false, "security_group_ids": []any{}, "description": "two",
			"dns_name": "web", "tags": []string{"nt", "pt"},
			"allowed_address_pairs": []Attributes{{"ip_address": "10.1.0.79", "mac_address": "fa:16:3e:00:00:55"}},
		},
	},
	{command: "port list --fixed-ip ip-address=10.1.0.56 -f json", shows: []Attributes{{"Name": "one"}}},
	{command: "port set one --mac-address fa:16:3e:00:00:56", refused: "port is already bound"},
	{command: "port unset one --host --allowed-address ip-address=10.1.0.79,mac-address=fa:16:3e:00:00:55 --tag nt"},
	{command: "port set one --mac-address fa:16:3e:00:00:56 --enable --security-group www --enable-port-security"},
	{
		command: "port show one -f json",
		shows: Attributes{
			"binding_host_id": "", "binding_vif_type": "unbound", "mac_address": "fa:16:3e:00:00:56",
			"admin_state_up": true, "allowed_address_pairs": []any{}, "tags": []string{"pt"},
		},
	},
	{command: "port show p1 -f json", refused: "No Port found for p1"},
	{
		command: "port create p4 --network tenant --vnic-type direct --host hv1 --extra-dhcp-option name=bootfile-name,value=pxe.0 --binding-profile slot=4 -f json",
		shows: Attributes{
			"binding_vif_type": "binding_failed", "binding_vnic_type": "direct", "binding_profile": Attributes{"slot": "4"}, "status": "DOWN",
			"extra_dhcp_opts": []Attributes{{"opt_name": "bootfile-name", "opt_value": "pxe.0", "ip_version": 4}},
		},
	},
	{command: "port set p4 --vnic-type normal --binding-profile lane=2 --extra-dhcp-option name=mtu,value=1400 --data-plane-status DOWN"},
	{
		command: "port show p4 -f json",
		shows: Attributes{
			"binding_vif_type": "ovs", "binding_profile": Attributes{"slot": "4", "lane": "2"}, "data_plane_status": "DOWN",
			"extra_dhcp_opts": []Attributes{
				{"opt_name": "bootfile-name", "opt_value": "pxe.0", "ip_version": 4}, {"opt_name": "mtu", "opt_value": "1400", "ip_version": 4},
			},
		},
	},
	{command: "port unset p4 --binding-profile slot --data-plane-status"},
	{command: "port show p4 -f json", shows: Attributes{"binding_profile": Attributes{"lane": "2"}, "data_plane_status": nil}},
	{command: "port delete p4"},
	{command: "ip availability list -f json", shows: []Attributes{
		{"Network Name": "tenant", "Total IPs": 5, "Used IPs": 1}, {"Network Name": "azure", "Total IPs": 11, "Used IPs": 1},
	}},
}

var inUseSteps = []step{
	{command: "network delete azure", refused: "There are one or more ports still in use on the network."},
	{command: "subnet delete s4new", refused: "One or more ports have an IP allocation from this subnet."},
	{command: "security group delete www", refused: "in use"},
	{command: "security group delete default", refused: "409"},
	{command: "network set azure --provider-network-type gre", refused: "400"},
	{command: "network show azure -f json", shows: Attributes{"provider:segmentation_id": 4242}},
	{command: "network delete nosuch", refused: "No Network found for nosuch"},
	{command: "port delete nosuch", refused: "No Port found for nosuch"},
}

var deleteSteps = []step{
	{command: "port delete one p2 p3 auto"},
	{command: "port list -f json", shows: []Attributes{}},
	{command: "subnet delete s4new s6"},
	{command: "subnet list --network azure -f json", shows: []Attributes{}},
	{command: "network delete azure green white tenant"},
	{command: "network list -f json", shows: []Attributes{}},
	{command: "subnet list -f json", shows: []Attributes{}},
	{command: "security group delete www"},
	{command: "security group list -f json", shows: []Attributes{{"Name": "default"}}},
}
