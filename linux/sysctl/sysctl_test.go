package sysctl_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/sysctl"
)

func TestSettingsAreWrittenOnceAndInsideOnly(t *testing.T) {
	ns, other := linuxtest.Namespace(t), linuxtest.Namespace(t)
	want := map[string]string{
		"net.ipv4.ip_forward":               "1",
		"net.ipv4.conf.all.rp_filter":       "0",
		"net.ipv4.ip_local_port_range":      "20000 30000",
		"net.ipv6.no_such_thing":            "1",
		"net.ipv6.conf.default.accept_ra":   "0",
		"net.ipv4.conf.all.arp_ignore":      "1",
		"net.ipv4.conf.default.arp_ignore":  "0",
		"net.ipv4.conf.default.no_such_key": "7",
	}
	changed, err := sysctl.Apply(ns, want)
	if err != nil || !slices.Contains(changed, "net.ipv4.ip_local_port_range=20000 30000") {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if changed, err = sysctl.Apply(ns, want); err != nil || len(changed) != 0 {
		t.Fatalf("the second time: changed %v, %v", changed, err)
	}
	if got := linuxtest.Run(t, ns, "cat", "/proc/sys/net/ipv4/conf/all/arp_ignore"); strings.TrimSpace(got) != "1" {
		t.Errorf("inside: %q", got)
	}
	if got := linuxtest.Run(t, other, "cat", "/proc/sys/net/ipv4/conf/all/arp_ignore"); strings.TrimSpace(got) != "0" {
		t.Errorf("elsewhere: %q", got)
	}
}

func TestOneBadSettingDoesNotStopTheOthers(t *testing.T) {
	ns := linuxtest.Namespace(t)
	changed, err := sysctl.Apply(ns, map[string]string{
		"net.ipv4.conf.all.arp_ignore": "many", "net.ipv4.ip_forward": "1", "kernel.hostname": "x", "net...secret": "1",
	})
	if !slices.Equal(changed, []string{"net.ipv4.ip_forward=1"}) || err == nil {
		t.Fatalf("changed %v, %v", changed, err)
	}
	for _, part := range []string{"net.ipv4.conf.all.arp_ignore", "many", "kernel.hostname", "net...secret"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
}
