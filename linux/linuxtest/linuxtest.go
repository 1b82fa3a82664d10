// Package linuxtest makes network namespaces for tests, which end with them.
package linuxtest

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Owner marks the namespaces of tests.
const Owner = "lepton test"

// Name gives a name that nothing else on the machine has.
func Name(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root: run the tests as root")
	}
	var b [5]byte
	_, _ = rand.Read(b[:])
	name := "lt-" + hex.EncodeToString(b[:])
	t.Cleanup(func() {
		if err := netns.Delete(name, Owner); err != nil {
			t.Error(err)
		}
	})
	return name
}

// Namespace makes a namespace.
func Namespace(t testing.TB) string {
	t.Helper()
	name := Name(t)
	if _, err := netns.Ensure(name, Owner); err != nil {
		t.Fatal(err)
	}
	return name
}

// Veth makes a pair of links, up, between two namespaces.
func Veth(t testing.TB, nsA, a, nsB, b string) {
	t.Helper()
	// Born in the first namespace under names of its own, moved when it is there.
	Run(t, nsA, "ip", "link", "add", a, "type", "veth", "peer", "name", b, "netns", netns.Path(nsB))
	for ns, link := range map[string]string{nsA: a, nsB: b} {
		Run(t, ns, "ip", "link", "set", link, "up")
	}
}

// Run runs a command in the namespace and gives its output.
func Run(t testing.TB, ns string, args ...string) string {
	t.Helper()
	out, err := Try(ns, args...)
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Run for a command that may fail.
func Try(ns string, args ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"--net=" + netns.Path(ns)}, args...)...).CombinedOutput()
	return string(out), err
}

// Local runs a command in the test's own namespace.
func Local(args ...string) (string, error) {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

// RunInput runs a command in the namespace until it ends, with this input.
func RunInput(ns string, in *os.File, args ...string) error {
	cmd := exec.Command("nsenter", append([]string{"--net=" + netns.Path(ns)}, args...)...)
	cmd.Stdin = in
	return cmd.Run()
}
