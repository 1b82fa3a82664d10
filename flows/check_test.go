package flows

import (
	"errors"
	"testing"
)

func TestFlowsOfARealSwitchPassTheCheck(t *testing.T) {
	for _, file := range []string{"neutron.flows", "switch.flows"} {
		for _, line := range lines(t, "testdata/"+file) {
			if err := parsed(t, line)[0].Check(); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
}

func TestCheckFindsActionsThatDoNotFit(t *testing.T) {
	tests := []struct{ name, flow string }{
		{"ct without ip", "actions=ct(commit)"},
		{"ct on ARP", "arp actions=ct(commit)"},
		{"exec without commit", "ip actions=ct(table=1,exec(load:1->NXM_NX_CT_MARK[]))"},
		{"ct_mark outside ct", "ip actions=load:1->NXM_NX_CT_MARK[]"},
		{"a register within ct", "ip actions=ct(commit,exec(load:1->NXM_NX_REG0[]))"},
		{"alg of another protocol", "udp actions=ct(commit,alg=ftp)"},
		{"dec_ttl without ip", "actions=dec_ttl"},
		{"pop_vlan without a tag", "actions=pop_vlan"},
		{"a second pop_vlan", "dl_vlan=5 actions=pop_vlan,pop_vlan"},
		{"a tag's id without a tag", "actions=set_field:4101->vlan_vid"},
		{"a tag's id after the tag was taken off", "dl_vlan=5 actions=load:0->NXM_OF_VLAN_TCI[],set_field:4101->vlan_vid"},
		{"a third tag", "dl_vlan=5 actions=push_vlan:0x8100,push_vlan:0x8100"},
		{"a field of another protocol", "arp actions=set_field:10.0.0.1->ip_dst"},
		{"a copy from another protocol", "ip actions=move:NXM_OF_ARP_SPA[]->NXM_NX_REG0[]"},
		{"a field that cannot be written", "ip actions=set_field:6->nw_proto"},
		{"goto_table backwards", "table=5,actions=goto_table:5"},
		{"resubmit with the connection's addresses", "ip actions=resubmit(,1,ct)"},
		{"a clause with other actions", "actions=conjunction(1,1/2),output:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := parsed(t, tt.flow)[0].Check(); !errors.Is(err, ErrInconsistent) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestCheckFindsMissingPrerequisites(t *testing.T) {
	r := Rule{Match: MustMatch(ExactU(TCPDst, 80), ExactU(EthType, ethIPv4))}
	if err := r.Check(); !errors.Is(err, ErrPrerequisite) {
		t.Errorf("error is %v", err)
	}
}
