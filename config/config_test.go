package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/config"
)

type sample struct {
	Host string `yaml:"host"`
	API  struct {
		Listen string `yaml:"listen"`
		Port   int    `yaml:"port"`
	} `yaml:"api"`
}

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		wantErr    string
		wantHost   string
	}{
		{name: "an empty file keeps the defaults", text: "", wantHost: "default"},
		{name: "a comment alone keeps the defaults", text: "# nothing\n", wantHost: "default"},
		{name: "a known key is read", text: "host: hv1\n", wantHost: "hv1"},
		{name: "an unknown key names file, line and key", text: "host: hv1\napi:\n  lisen: x\n", wantErr: `f.yaml:3: unknown key "lisen"`},
		{name: "a wrong type names the line", text: "api:\n  port: many\n", wantErr: "f.yaml:2: "},
		{name: "text that is no YAML names the line", text: "host: [1\n", wantErr: "f.yaml:"},
		{name: "a second document is refused", text: "host: a\n---\nhost: b\n", wantErr: "more than one YAML document"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := sample{Host: "default"}
			err := config.Parse("f.yaml", []byte(tc.text), &got)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("error %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || got.Host != tc.wantHost {
				t.Fatalf("host %q, error %v; want %q", got.Host, err, tc.wantHost)
			}
		})
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if err := config.Load(path, &sample{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("error %v does not name %s", err, path)
	}
}

func TestLoadRefusesAHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.yaml")
	if err := os.WriteFile(path, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.Load(path, &sample{}); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Fatalf("error %v", err)
	}
}

func TestErrorsListEverything(t *testing.T) {
	var e config.Errors
	if e.Err() != nil {
		t.Fatal("no errors collected, but Err is not nil")
	}
	e.Add("rpc.listen", "%q is no address", "x")
	e.Add("host", "must not be empty")
	if got, want := e.Err().Error(), "rpc.listen: \"x\" is no address\nhost: must not be empty"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("host: hv1\napi: {listen: a, port: 1}\n"))
	f.Add([]byte("host: &a [*a]\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		var s sample
		_ = config.Parse("f", text, &s)
	})
}

func TestEveryLineNamesTheFile(t *testing.T) {
	var e config.Errors
	e.Add("host", "%q is not a host name", "a b")
	e.Add("metrics.listen", "missing")
	want := "agent.yaml: host: \"a b\" is not a host name\nagent.yaml: metrics.listen: missing"
	if got := config.In("agent.yaml", e.Err()).Error(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoopbackIsWhatOnlyThisMachineReaches(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.1.2.3": true, "::1": true, "localhost": true, "::ffff:127.0.0.1": true,
		"0.0.0.0": false, "": false, "192.0.2.1": false, "::": false, "localhost.example": false, "127.0.0.1.example": false,
	} {
		if got := config.Loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
