package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) keeps named namespaces.
const netnsDir = "/run/netns"

func netnsPath(name string) string { return filepath.Join(netnsDir, name) }

// inside runs f on a thread that is in the named network namespace. Sockets
// opened and processes started by f itself belong to that namespace; what f
// hands to other goroutines does not.
func inside(name string, f func() error) error {
	target, err := netns.GetFromName(name)
	if err != nil {
		return fmt.Errorf("enter network namespace %s: %w", name, err)
	}
	defer target.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", name, err)
			return
		}
		defer home.Close()
		if err := netns.Set(target); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", name, err)
			return
		}
		err = f()
		// A thread that cannot go back stays locked and ends with the goroutine.
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// sysctl is a setting of a namespace, by its path under /proc/sys/net.
type sysctl struct{ path, value string }

// switchSysctls keep the kernel's own stack out of what only passes through.
func switchSysctls() []sysctl {
	return []sysctl{{"ipv6/conf/default/disable_ipv6", "1"}}
}

// hostSysctls do the same for a host, whose kernel sees every frame that the
// userspace datapath takes from a link: it must not answer in its place.
func hostSysctls() []sysctl {
	return []sysctl{
		{"ipv4/ip_forward", "0"},
		{"ipv4/conf/default/rp_filter", "1"},
		{"ipv4/conf/default/arp_ignore", "1"},
		{"ipv6/conf/default/disable_ipv6", "1"},
	}
}

// guestSysctls make IPv6 addresses usable at once, without the second that
// duplicate address detection takes.
func guestSysctls() []sysctl {
	return []sysctl{
		{"ipv4/ip_forward", "0"},
		{"ipv6/conf/all/accept_dad", "0"},
		{"ipv6/conf/default/accept_dad", "0"},
	}
}

// set writes the setting in the calling thread's namespace.
func (s sysctl) set() error {
	err := os.WriteFile(filepath.Join("/proc/sys/net", s.path), []byte(s.value), 0)
	// A kernel without IPv6 has no keys for it.
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("set sysctl %s: %w", s.path, err)
	}
	return nil
}

// createNetns makes a named namespace with its loopback up and the mark as
// alias of that link.
func createNetns(name, mark string, sysctls []sysctl) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread has left the machine's namespace for good.
		runtime.LockOSThread()
		done <- func() error {
			h, err := netns.NewNamed(name)
			if err != nil {
				return err
			}
			defer h.Close()
			for _, s := range sysctls {
				if err := s.set(); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("create network namespace %s: %w", name, err)
	}
	return withLinks(name, func(h *links) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := h.LinkSetAlias(lo, mark); err != nil {
			return err
		}
		return h.LinkSetUp(lo)
	})
}

// netnsMark reads the mark of a namespace. One that was being made when its
// maker died has none, and may not even be a namespace yet.
func netnsMark(name string) (mark string, exists bool, err error) {
	if _, err := os.Lstat(netnsPath(name)); errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	err = withLinks(name, func(h *links) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		mark = lo.Attrs().Alias
		return nil
	})
	if errors.Is(err, unix.EINVAL) {
		return "", true, nil
	}
	return mark, true, err
}

// deleteNetns removes the namespace if it carries the mark or none at all;
// another's is left alone. One that is not there is fine.
func deleteNetns(name, mark string) error {
	found, exists, err := netnsMark(name)
	if err != nil {
		return fmt.Errorf("delete network namespace %s: %w", name, err)
	}
	if !exists || (found != "" && found != mark) {
		return nil
	}
	path := netnsPath(name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete network namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete network namespace %s: %w", name, err)
	}
	return nil
}

// namespaces lists the named namespaces with the prefix.
func namespaces(prefix string) ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// links is a netlink connection to one namespace.
type links struct {
	*netlink.Handle
	fd netns.NsHandle
}

// withLinks opens a netlink connection in the namespace for the time of f.
func withLinks(name string, f func(*links) error) error {
	fd, err := netns.GetFromName(name)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", name, err)
	}
	defer fd.Close()
	h, err := netlink.NewHandleAt(fd, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink in %s: %w", name, err)
	}
	defer h.Close()
	return f(&links{Handle: h, fd: fd})
}
