package pki

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestADirectoryHoldsWhatEachHostNeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pki")
	if _, err := Create(path, "test cloud"); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, "again"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second authority: %v", err)
	}
	d, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddr("192.0.2.1")
	for _, r := range []Request{{Names: []string{"ctl1", "api.cloud.example"}, Addresses: []netip.Addr{address}}, {Names: []string{"hv1"}, Roles: []string{"l2", "l3"}}} {
		if dir, err := d.Issue(r); err != nil || dir != filepath.Join(path, r.Names[0]) {
			t.Fatal(dir, err)
		}
	}
	if _, err := d.Issue(Request{Names: []string{"hv1"}}); !errors.Is(err, ErrHolderExists) {
		t.Errorf("a second certificate of a host: %v", err)
	}
	server, client := serverOf(t, filesOf(path, "ctl1")), clientOf(t, filesOf(path, "hv1"), "192.0.2.1")
	if state, err := handshake(t, server, client); err != nil || state.PeerCertificates[0].DNSNames[0] != "hv1" {
		t.Errorf("handshake: %v", err)
	}
	before := read(t, path, "ctl1", holderFile)
	if _, err := d.Renew("ctl1", 48*time.Hour); err != nil {
		t.Fatal(err)
	}
	if before == read(t, path, "ctl1", holderFile) {
		t.Error("renewing changed nothing")
	}
	for _, step := range []struct{ roles, want []string }{{nil, []string{"l2", "l3"}}, {[]string{"l2"}, []string{"l2"}}, {nil, []string{"l2"}}} {
		if _, err := d.Renew("hv1", time.Hour, step.roles...); err != nil {
			t.Fatal(err)
		}
		if h, err := d.Holder("hv1"); err != nil || !slices.Equal(h.Roles, step.want) {
			t.Errorf("renewed for roles %v: %+v, %v", step.roles, h, err)
		}
	}
	h, err := d.Holder("ctl1")
	if err != nil || !slices.Equal(h.Names, []string{"ctl1", "api.cloud.example"}) || !slices.Equal(h.Addresses, []netip.Addr{address}) ||
		h.Problem != "" || time.Until(h.Until) > 48*time.Hour {
		t.Errorf("renewed: %+v, %v", h, err)
	}
}

func filesOf(path, host string) Files {
	return Files{Cert: filepath.Join(path, host, holderFile), Key: filepath.Join(path, host, holderKeyFile), CA: filepath.Join(path, host, authorityFile)}
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestADirectoryTellsWhatCannotBeUsed(t *testing.T) {
	path, other := t.TempDir(), t.TempDir()
	if _, err := OpenDirectory(path); !errors.Is(err, ErrNoAuthority) {
		t.Errorf("an empty directory: %v", err)
	}
	for _, p := range []string{path, other} {
		d, err := Create(p, "cloud")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"good", "swapped", "foreign", "garbled"} {
			if _, err := d.Issue(Request{Names: []string{name}}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.Issue(Request{Names: []string{"old"}, Lifetime: time.Nanosecond}); err != nil {
			t.Fatal(err)
		}
	}
	put := func(host, file, content string) {
		if err := os.WriteFile(filepath.Join(path, host, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("swapped", holderKeyFile, read(t, path, "good", holderKeyFile))
	put("foreign", holderFile, read(t, other, "foreign", holderFile))
	put("garbled", holderFile, "nonsense")
	if err := os.Mkdir(filepath.Join(path, "notes"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	holders, err := d.Holders()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, h := range holders {
		got[h.Host] = h.Problem
	}
	want := map[string]string{
		"good": "", "swapped": "its key belongs to another certificate", "foreign": "was not issued by this authority",
		"old": "has expired", "garbled": "read " + filepath.Join(path, "garbled", holderFile) + ": no CERTIFICATE in it",
	}
	for host, problem := range want {
		if p, ok := got[host]; !ok || p != problem {
			t.Errorf("%s: %q, want %q", host, p, problem)
		}
	}
	if len(got) != len(want) {
		t.Errorf("holders %v", got)
	}
}

func TestNamesThatAreNoHostNamesAreRefused(t *testing.T) {
	path := t.TempDir()
	d, err := Create(path, "cloud")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "..", "../x", "a/b", "*.cloud", "-a", "a b", "a\n"} {
		if _, err := d.Issue(Request{Names: []string{name}}); !errors.Is(err, ErrName) {
			t.Errorf("issue %q: %v", name, err)
		}
		if _, err := d.Holder(name); !errors.Is(err, ErrName) {
			t.Errorf("show %q: %v", name, err)
		}
	}
	if _, err := d.Renew("hv9", 0); !errors.Is(err, ErrNoHolder) {
		t.Errorf("renew what was never issued: %v", err)
	}
	if entries, err := os.ReadDir(path); err != nil || len(entries) != 3 { // the authority, its key, its list
		t.Errorf("left: %v, %v", entries, err)
	}
}
