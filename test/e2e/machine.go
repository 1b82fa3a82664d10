package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// Machine is what a lab could leave behind on the machine.
type Machine struct {
	Namespaces, Links, Processes, Files []string
}

// labLink matches the names of links that a lab makes, all of which belong in
// namespaces of their own.
var labLink = regexp.MustCompile(`^(mgmt|underlay|phys\d|tap|br-|ovs-|eth[1-9])`)

// Look lists the machine's namespaces and links, the processes that carry a
// lab's mark or run one of its programs below dir, and the files under dir.
// Only what has the name in it counts, as other labs may come and go.
func Look(t testing.TB, name, dir string) Machine {
	t.Helper()
	var m Machine
	namespaces, err := filepath.Glob("/run/netns/*" + name + "*")
	if err != nil {
		t.Fatal(err)
	}
	m.Namespaces = namespaces
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if labLink.MatchString(l.Attrs().Name) {
			m.Links = append(m.Links, l.Attrs().Name)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		// A process that has ended meanwhile is not left behind.
		cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		if strings.Contains(string(cmdline), dir) {
			m.Processes = append(m.Processes, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if path != dir {
			m.Files = append(m.Files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.Links)
	return m
}
