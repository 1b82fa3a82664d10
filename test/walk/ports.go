package walk

var portSteps = []Step{
	{
		Command: "port create p1 --network azure --fixed-ip subnet=s4new,ip-address=10.1.0.155 --mac-address fa:16:3e:00:00:55 --host hv1" +
			" --security-group www --allowed-address ip-address=10.1.0.77 --allowed-address ip-address=10.1.0.78,mac-address=fa:16:3e:00:00:78" +
			" --dns-name mail --description one --device dev1 --device-owner compute:nova --tag pt -f json",
		Shows: Attributes{
			"mac_address": "fa:16:3e:00:00:55", "status": "DOWN", "description": "one", "device_id": "dev1", "device_owner": "compute:nova",
			"binding_host_id": "hv1", "binding_vif_type": "ovs", "binding_vnic_type": "normal", "dns_name": "mail", "tags": []string{"pt"},
			"allowed_address_pairs": []Attributes{
				{"ip_address": "10.1.0.77", "mac_address": "fa:16:3e:00:00:55"},
				{"ip_address": "10.1.0.78", "mac_address": "fa:16:3e:00:00:78"},
			},
		},
	},
	{
		Command: "port create p2 --network azure --no-fixed-ip --no-security-group --disable-port-security --disable -f json",
		Shows: Attributes{
			"fixed_ips": []any{}, "security_group_ids": []any{}, "port_security_enabled": false, "admin_state_up": false,
			"binding_vif_type": "unbound", "binding_host_id": "", "ip_allocation": "none",
		},
	},
	{
		Command: "port create p3 --network azure --fixed-ip subnet=s6,ip-address=fd00:1::33 -f json",
		Shows:   Attributes{"admin_state_up": true, "port_security_enabled": true, "ip_allocation": "immediate"},
	},
	{Command: "port create auto --network tenant --mac-address fa:16:3e:00:00:01 -f json", Shows: Attributes{"name": "auto"}},
	{Command: "port list --fixed-ip ip-address=fd00:2::f816:3eff:fe00:1 -f json", Shows: []Attributes{{"Name": "auto"}}},
	{Command: "port list --network azure -f json", Shows: []Attributes{{"Name": "p1"}, {"Name": "p2"}, {"Name": "p3"}}, Among: true},
	{Command: "port list --host hv1 -f json", Shows: []Attributes{{"Name": "p1"}}},
	{Command: "port list --mac-address fa:16:3e:00:00:55 -f json", Shows: []Attributes{{"Name": "p1", "Status": "DOWN"}}},
	{Command: "port list --fixed-ip ip-address=10.1.0.155 -f json", Shows: []Attributes{{"Name": "p1"}}},
	{Command: "port list --fixed-ip subnet=s6 -f json", Shows: []Attributes{{"Name": "p3"}}, Among: true},
	{Command: "port list --fixed-ip ip-substring=10.1.0. -f json", Shows: []Attributes{{"Name": "p1"}}, Among: true},
	{Command: "port list --device-owner compute:nova -f json", Shows: []Attributes{{"Name": "p1"}}},
	{Command: "port list --tags pt --long -f json", Shows: []Attributes{{"Name": "p1", "Device Owner": "compute:nova", "Tags": []string{"pt"}}}},
	{Command: "port create odd --network azure --fixed-ip ip-address=10.1.0.155", Refused: "409: Client Error for url: $api/v2.0/ports, IP address 10.1.0.155 already allocated in subnet"},
	{Command: "port create odd --network azure --fixed-ip ip-address=192.0.2.1", Refused: "192.0.2.1"},
	{Command: "port create odd --network azure --mac-address fa:16:3e:00:00:55", Refused: "fa:16:3e:00:00:55"},
	{Command: "port create odd --network azure --mac-address fa:16", Refused: "'fa:16' is not a valid MAC address"},
	{Command: "port create odd --network azure --disable-port-security --allowed-address ip-address=10.1.0.77", Refused: "409"},
	{
		Command: "port set p1 --name one --no-fixed-ip --fixed-ip subnet=s4new,ip-address=10.1.0.156 --no-allowed-address --allowed-address ip-address=10.1.0.79" +
			" --host hv2 --disable --no-security-group --description two --dns-name web --tag nt",
	},
	{
		Command: "port show one -f json",
		Shows: Attributes{
			"name": "one", "binding_host_id": "hv2", "admin_state_up": false, "security_group_ids": []any{}, "description": "two",
			"dns_name": "web", "tags": []string{"nt", "pt"},
			"allowed_address_pairs": []Attributes{{"ip_address": "10.1.0.79", "mac_address": "fa:16:3e:00:00:55"}},
		},
	},
	{Command: "port list --fixed-ip ip-address=10.1.0.156 -f json", Shows: []Attributes{{"Name": "one"}}},
	{Command: "port set one --mac-address fa:16:3e:00:00:56", Refused: "port is already bound"},
	{Command: "port unset one --host --allowed-address ip-address=10.1.0.79,mac-address=fa:16:3e:00:00:55 --tag nt"},
	{Command: "port set one --mac-address fa:16:3e:00:00:56 --enable --security-group www --enable-port-security"},
	{
		Command: "port show one -f json",
		Shows: Attributes{
			"binding_host_id": "", "binding_vif_type": "unbound", "mac_address": "fa:16:3e:00:00:56",
			"admin_state_up": true, "allowed_address_pairs": []any{}, "tags": []string{"pt"},
		},
	},
	{Command: "port show p1 -f json", Refused: "No Port found for p1"},
	{
		Command: "port create p4 --network tenant --vnic-type direct --host hv1 --extra-dhcp-option name=bootfile-name,value=pxe.0 --binding-profile slot=4 -f json",
		Shows: Attributes{
			"binding_vif_type": "binding_failed", "binding_vnic_type": "direct", "binding_profile": Attributes{"slot": "4"}, "status": "DOWN",
			"extra_dhcp_opts": []Attributes{{"opt_name": "bootfile-name", "opt_value": "pxe.0", "ip_version": 4}},
		},
	},
	{Command: "port set p4 --vnic-type normal --binding-profile lane=2 --extra-dhcp-option name=mtu,value=1400 --data-plane-status DOWN"},
	{
		Command: "port show p4 -f json",
		Shows: Attributes{
			"binding_vif_type": "ovs", "binding_profile": Attributes{"slot": "4", "lane": "2"}, "data_plane_status": "DOWN",
			"extra_dhcp_opts": []Attributes{
				{"opt_name": "bootfile-name", "opt_value": "pxe.0", "ip_version": 4}, {"opt_name": "mtu", "opt_value": "1400", "ip_version": 4},
			},
		},
	},
	{Command: "port unset p4 --binding-profile slot --data-plane-status"},
	{Command: "port show p4 -f json", Shows: Attributes{"binding_profile": Attributes{"lane": "2"}, "data_plane_status": nil}},
	{Command: "port delete p4"},
	{Command: "ip availability show tenant -f json", Shows: Attributes{"network_name": "tenant"}},
	{Command: "ip availability list -f json", Shows: []Attributes{
		{"Network Name": "tenant", "Total IPs": 5}, {"Network Name": "azure", "Total IPs": 11},
	}},
}
