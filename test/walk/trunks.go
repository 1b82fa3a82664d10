package walk

var trunkSteps = []Step{
	{Command: "network create trunked"},
	{Command: "port create parent --network trunked -f json", Saves: "parent"},
	{Command: "port create child --network trunked -f json", Saves: "child"},
	{Command: "port create child2 --network trunked -f json", Saves: "child2"},
	{
		Command: "network trunk create truck --parent-port parent --subport port=child,segmentation-type=vlan,segmentation-id=7 --description one -f json",
		Shows: Attributes{
			"name": "truck", "port_id": "$parent", "status": "DOWN", "admin_state_up": true, "description": "one",
			"sub_ports": []Attributes{{"port_id": "$child", "segmentation_type": "vlan", "segmentation_id": 7}},
		},
		Saves: "truck",
	},
	{Command: "network trunk create second --parent-port parent", Refused: "$parent"},
	{Command: "network trunk create second --parent-port child", Refused: "$truck"},
	{Command: "network trunk set truck --subport port=child2,segmentation-type=vlan,segmentation-id=7", Refused: "already in use on trunk $truck"},
	{Command: "network trunk set truck --subport port=child2,segmentation-type=vlan,segmentation-id=8"},
	{Command: "network trunk set truck --name lorry --description two --disable"},
	{Command: "network trunk unset lorry --subport child", Refused: "disabled"},
	{Command: "network trunk set lorry --enable"},
	{Command: "network trunk list --long -f json", Shows: []Attributes{
		{"ID": "$truck", "Name": "lorry", "Parent Port": "$parent", "Description": "two", "Status": "DOWN", "State": true},
	}},
	{Command: "network subport list --trunk lorry -f json", Shows: []Attributes{
		{"Port": "$child", "Segmentation Type": "vlan", "Segmentation ID": 7},
		{"Port": "$child2", "Segmentation Type": "vlan", "Segmentation ID": 8},
	}},
	{Command: "port delete parent", Refused: "parent port for trunk $truck"},
	{Command: "port delete child", Refused: "subport for trunk $truck"},
	// Hosts do not wire sub ports yet.
	{Command: "port set --host hv1 parent", Refused: "$truck, and hosts do not wire sub ports yet"},
	{Command: "network trunk unset lorry --subport child"},
	{Command: "network trunk show lorry -f json", Shows: Attributes{
		"name": "lorry", "sub_ports": []Attributes{{"port_id": "$child2", "segmentation_type": "vlan", "segmentation_id": 8}},
	}},
	{Command: "network trunk delete lorry"},
	{Command: "network trunk list -f json", Shows: []Attributes{}},
	{Command: "port delete parent child child2"},
	{Command: "network delete trunked"},
}
