package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// isolated is set in the environment of a program that has its own view.
const isolated = "LEPTON_CONFORMANCE_ISOLATED"

// view gives what follows its own /etc, /usr/local and /var/lib above the
// machine's, in memory, and no named network namespaces: pages say what to write
// there, and Neutron's programs clear what they find.
const view = `
mount -t tmpfs -o mode=755 conformance /mnt
for dir in /etc /usr/local /var/lib; do
	mkdir -p "/mnt$dir/upper" "/mnt$dir/work"
	mount -t overlay -o "lowerdir=$dir,upperdir=/mnt$dir/upper,workdir=/mnt$dir/work" conformance "$dir"
done
mkdir -p /run/netns
mount -t tmpfs -o mode=755 conformance /run/netns
exec "$0" "$@"`

// isolate starts this program again with a view of files of its own, which is
// gone with it. It comes back only with an error, or in that program.
func isolate() error {
	if os.Getenv(isolated) != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return fmt.Errorf("find unshare: %w", err)
	}
	argv := append([]string{unshare, "--mount", "--propagation", "private", "/bin/sh", "-ec", view, self}, os.Args[1:]...)
	return fmt.Errorf("start again: %w", syscall.Exec(unshare, argv, append(os.Environ(), isolated+"=1")))
}
