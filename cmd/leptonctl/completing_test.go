package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/lab"
)

func TestATabOffersWhatCanFollow(t *testing.T) {
	certs := filepath.Join(t.TempDir(), "pki")
	for _, args := range []string{"init", "issue hv1", "issue hv2"} {
		if code := run(t.Context(), strings.Fields("certs "+args+" --dir "+certs)); code != 0 {
			t.Fatalf("certs %s exits %d", args, code)
		}
	}
	labs := t.TempDir()
	state, err := json.Marshal(lab.State{
		Plan:   &lab.Plan{Hosts: []lab.HostPlan{{Name: "ctl", Roles: []string{"controller"}}, {Name: "hv1", Roles: []string{"compute"}}}},
		Guests: []lab.Guest{{Name: "web"}},
	})
	if err := errors.Join(err, os.Mkdir(filepath.Join(labs, "some"), 0o700), os.WriteFile(filepath.Join(labs, "some", "state.json"), state, 0o600)); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string]string{
		"--dir " + labs + " --lab":                   "some :4",
		"--dir " + labs + " --lab some flows --host": "hv1 :4",
		"--dir " + labs + " lab exec":                "ctl hv1 web :4",
		"--dir " + labs + " lab plug":                "ctl hv1 :4",
		"--dir " + labs + " lab unplug":              "web :4",
		"agents -o":                                  "table json yaml :4",
		"certs show -o":                              "table json yaml :4",
		"lab up --topology":                          "gateway single three-controllers three-node two-node :0",
		"lab stop hv1":                               "controller agent etcd ovsdb-server ovs-vswitchd :4",
		"certs renew --dir " + certs:                 "hv1 hv2 :4",
		"certs issue hv3 --role":                     strings.Join(config.Roles(), " ") + " :4",
		"explain --proto":                            "icmp tcp udp sctp :4",
		"flows":                                      "br-int br-tun :4",
		"flows br-int":                               ":4",
		"agents":                                     ":4", // not the files of the directory
		"lab exec --name none":                       ":4",
		"--token-file":                               ":0", // files
		"flows --config":                             ":0",
		"import --token-file":                        ":0",
		"audit --lab none --host":                    ":4",
		"events --kind":                              "change state applied agent :4",
		"lab --dir /nonexistent up --name":           ":4",
	} {
		var out bytes.Buffer
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(append(append([]string{"__complete"}, strings.Fields(typed)...), ""))
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Errorf("%s: %v", typed, err)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("leptonctl %s offers %q, want %q", typed, got, want)
		}
	}
}
