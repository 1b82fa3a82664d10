package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// metadata has a guest read who it is, through its router.
func (t *tour) metadata(ctx context.Context) error {
	t.title("A guest reads its metadata")
	t.say("Nova would answer, or the controller from records of its own: this one says what\nblue2 is to be told. r1 redirects 169.254.169.254 to the proxy of its host.\n")
	port, err := t.on(ctx, "net1", openstackPath+" port show blue2 -f value -c id")
	if err != nil {
		return err
	}
	record, err := json.Marshal(map[string]any{"lepton_instance": map[string]any{
		"name": "blue2", "hostname": "blue2", "user_data": "IyEvYmluL3NoCmVjaG8gaGVsbG8K", "port_ids": []string{strings.TrimSpace(port)},
	}})
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "net1", "curl -sS --fail-with-body -o /dev/null -H Content-Type:application/json http://127.0.0.1:9696/v2.0/lepton-instances -d "+string(record)); err != nil {
		return err
	}
	for _, a := range []struct{ path, want, what string }{
		{"latest/meta-data/local-ipv4", "10.0.0.12", "blue2 is told its address, as EC2 tells it"},
		{"openstack/latest/network_data.json", strings.TrimSpace(port), "and of its NIC, as OpenStack does"},
		{"openstack/latest/user_data", "echo hello", "and reads its user data"},
	} {
		out, err := t.exec(ctx, "blue2", fmt.Sprintf("curl -sS -m 5 --retry 5 --retry-connrefused http://169.254.169.254/%s", a.path))
		t.claim(err == nil && strings.Contains(out, a.want), "%s", a.what)
	}
	return nil
}
