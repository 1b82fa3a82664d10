package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// This file: virtual machines. Each is QEMU with Debian's cloud kernel and
// nothing but busybox, under software emulation, on a tap that is plugged as Nova
// does. Its shell is on the serial line.

// guestDir is where `.ci/prepare machines` puts the kernel and its modules.
const guestDir = "/var/cache/lepton/guest"

// VM is a running virtual machine.
type VM struct {
	c     *Cloud
	Name  string
	Port  Port
	shell io.Writer
	lines chan string
}

// guestInit is the machine's first process: a shell that runs a line at a time.
const guestInit = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /etc /tmp /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc none /proc; mount -t sysfs none /sys; mount -t devtmpfs none /dev
stty -echo -onlcr
while read -r m; do insmod /modules/$m.ko; done </order
ip link set lo up
ip link set eth0 up
echo '@ready'
while read -r line; do
	eval "$line" </dev/null 2>&1
	echo "@done $?"
done
poweroff -f
`

// guestLease is what udhcpc runs in the machine: it takes what it is told, the
// classless routes in the place of the router (RFC 3442).
const guestLease = `#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev eth0 scope global
ip link set eth0 mtu "${mtu:-1500}"
ip addr add "$ip/$mask" dev eth0
[ -n "$staticroutes" ] || staticroutes="${router:+0.0.0.0/0 $router}"
set -- $staticroutes
while [ $# -ge 2 ]; do
	if [ "$2" = 0.0.0.0 ]; then ip route add "$1" dev eth0; else ip route add "$1" via "$2" dev eth0; fi
	shift 2
done
: >/etc/resolv.conf
[ -z "$domain" ] || echo "search $domain" >>/etc/resolv.conf
for d in $dns; do echo "nameserver $d" >>/etc/resolv.conf; done
`

// initramfs packs the machine's files and gives the path.
func (c *Cloud) initramfs() string {
	c.Helper()
	dir := shortDir(c)
	root := filepath.Join(dir, "root")
	c.Must(os.MkdirAll(filepath.Join(root, "bin"), 0o755))
	put := func(name, text string) { c.Must(os.WriteFile(filepath.Join(root, name), []byte(text), 0o755)) }
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			c.Fatalf("%v: `.ci/prepare machines` gets it", err)
		}
		c.Must(err)
		return string(b)
	}
	put("init", guestInit)
	put("bin/busybox", read("/bin/busybox"))
	for _, path := range c.libraries("/bin/busybox") {
		c.Must(os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755))
		put(path, read(path))
	}
	put("bin/lease", guestLease)
	put("order", read(filepath.Join(guestDir, "order")))
	c.Must(os.CopyFS(filepath.Join(root, "modules"), os.DirFS(filepath.Join(guestDir, "modules"))))
	path := filepath.Join(dir, "initramfs")
	pack := exec.CommandContext(c.Context(), "sh", "-c", "find . | busybox cpio -o -H newc 2>/dev/null >"+path)
	pack.Dir = root
	c.Must(pack.Run())
	return path
}

// libraries gives the paths of the libraries that a program loads.
func (c *Cloud) libraries(program string) (paths []string) {
	c.Helper()
	out, err := exec.CommandContext(c.Context(), "ldd", program).Output()
	c.Must(err)
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			paths = append(paths, word)
		}
	}
	return paths
}

// VM makes a tap for the port as Nova does, and boots a machine on it.
func (c *Cloud) VM(host, name string, p Port) *VM {
	c.Helper()
	image := c.initramfs()
	c.Update("port", p.ID, Attributes{"binding:host_id": host, "device_id": "00000000-0000-4000-8000-00000000000a", "device_owner": "compute:nova"})
	tap := "tap" + p.ID[:11]
	c.Exec(host, "ip", "tuntap", "add", "dev", tap, "mode", "tap")
	c.Exec(host, "ip", "link", "set", tap, "up")
	c.Exec(host, "ovs-vsctl", "add-port", "br-int", tap, "--", "set", "Interface", tap, "external_ids:iface-id="+p.ID,
		"external_ids:iface-status=active", `external_ids:attached-mac="`+p.MAC+`"`, "external_ids:vm-id=00000000-0000-4000-8000-00000000000a")
	place, err := c.Lab.Place(host)
	c.Must(err)
	v := &VM{c: c, Name: name, Port: p, lines: make(chan string, 1000)}
	v.boot(place, tap, image)
	c.Eventually("the machine's port is ACTIVE", func() error {
		if got := c.ShowPort(p.ID); got.Status != "ACTIVE" {
			return fmt.Errorf("status %s", got.Status)
		}
		return nil
	})
	v.await(ready)
	return v
}

// boot starts QEMU. The switch on userspace datapaths hands frames on as they
// are, so the NIC fills checksums in and cuts nothing, as in guests of the lab.
func (v *VM) boot(place *lab.Place, tap, image string) {
	c := v.c
	ctx, cancel := context.WithCancel(context.Background())
	cmd := place.Command(
		ctx, "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "192", "-nodefaults", "-nographic", "-no-reboot", "-monitor", "none",
		"-serial", "stdio", "-kernel", filepath.Join(guestDir, "vmlinuz"), "-initrd", image, "-append", "console=ttyS0 quiet panic=-1",
		"-netdev", "tap,id=n,script=no,downscript=no,ifname="+tap,
		"-device", "virtio-net-pci,netdev=n,romfile=,mac="+v.Port.MAC+",csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ufo=off,mrg_rxbuf=off",
	)
	in, err := cmd.StdinPipe()
	c.Must(err)
	out, err := cmd.StdoutPipe()
	c.Must(err)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	c.Must(cmd.Start())
	v.shell = in
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			select {
			case v.lines <- strings.TrimRight(s.Text(), "\r"):
			default: // nobody reads what it says unasked
			}
		}
		close(v.lines)
	}()
	c.Cleanup(func() {
		cancel()
		<-ended
		_ = cmd.Wait() // it was killed
		if c.Failed() && complaints.Len() > 0 {
			c.Logf("qemu: %s", complaints.String())
		}
	})
}

// ready is what the machine says when it has booted.
const ready = "@ready"

// await gives what the machine says until the mark, and the rest of the line that
// it is on.
func (v *VM) await(mark string) (said []string, rest string) {
	v.c.Helper()
	timeout := time.After(2 * patience)
	for {
		select {
		case line, ok := <-v.lines:
			if !ok {
				v.c.Fatalf("%s has ended; it said %q", v.Name, said)
			}
			if before, rest, ok := strings.Cut(line, mark); ok {
				if before != "" && mark != ready { // what it said last had no end of line
					said = append(said, before)
				}
				return said, strings.TrimSpace(rest)
			}
			said = append(said, line)
		case <-timeout:
			v.c.Fatalf("%s does not say %s; it said %q", v.Name, mark, said)
		}
	}
}

// Try runs a command in the machine's shell and gives what it wrote, and whether
// it succeeded.
func (v *VM) Try(command string) (string, bool) {
	v.c.Helper()
	if strings.Contains(command, "\n") {
		v.c.Fatalf("%q is not one line", command)
	}
	_, err := io.WriteString(v.shell, command+"\n")
	v.c.Must(err)
	said, code := v.await("@done ")
	return strings.Join(said, "\n"), code == "0"
}

// Run runs a command that must succeed.
func (v *VM) Run(command string) string {
	v.c.Helper()
	out, ok := v.Try(command)
	if !ok {
		v.c.Fatalf("%s: %s fails: %s", v.Name, command, out)
	}
	return out
}

// Lease has the machine ask for its address and take what it is told.
func (v *VM) Lease() {
	v.c.Helper()
	v.Run("udhcpc -i eth0 -f -q -n -t 5 -T 1 -O mtu -O staticroutes -O search -s /bin/lease")
}

// Says compares the words of a command's output, each of which must be there.
func (v *VM) Says(command string, words ...string) {
	v.c.Helper()
	out := v.Run(command)
	have := strings.Fields(out)
	for _, w := range words {
		if !slices.Contains(have, w) {
			v.c.Errorf("%s: %s has no %q:\n%s", v.Name, command, w, out)
		}
	}
}
