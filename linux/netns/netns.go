// Package netns makes, enters and deletes named network namespaces, as
// ip-netns(8) does: a name is a file in /run/netns on which the namespace is
// mounted.
//
// A namespace carries its owner as alias of its loopback link (`ip -n NAME link
// show lo`), so that what belongs to somebody else on the same machine is told
// apart and left alone.
package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Dir is where named namespaces are kept.
const Dir = "/run/netns"

// ErrForeign says that a namespace belongs to another owner.
var ErrForeign = errors.New("belongs to another owner")

// ErrNotExist says that there is no namespace of that name.
var ErrNotExist = fs.ErrNotExist

// Path is the file of a named namespace.
func Path(name string) string { return filepath.Join(Dir, name) }

// checkName refuses what cannot be a file's name.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q is not the name of a network namespace", name)
	}
	return nil
}

// Ensure makes the namespace with its loopback link up if it is not there.
// It fails with ErrForeign when it is there and has another owner.
func Ensure(name, owner string) (made bool, err error) {
	if err := checkName(name); err != nil {
		return false, err
	}
	if exists, err := belongs(name, owner); exists || err != nil {
		return false, err
	}
	// Another program may be about to make it: two would mount two namespaces on
	// one name.
	unlock, err := lock()
	if err != nil {
		return false, fmt.Errorf("create network namespace %s: %w", name, err)
	}
	defer unlock()
	if exists, err := belongs(name, owner); exists || err != nil {
		return false, err
	}
	exists, err := mounted(name)
	if err != nil {
		return false, err
	}
	// A maker that died half-way left a file without a namespace, or a namespace
	// without an owner.
	if !exists {
		if err := create(name); err != nil {
			return false, fmt.Errorf("create network namespace %s: %w", name, err)
		}
	}
	if err := claim(name, owner); err != nil {
		return false, fmt.Errorf("create network namespace %s: %w", name, err)
	}
	return true, nil
}

// belongs reports whether the namespace is there and has this owner. It fails
// with ErrForeign when it has another one.
func belongs(name, owner string) (bool, error) {
	found, exists, err := Owner(name)
	if err == nil && exists && found != "" && found != owner {
		err = fmt.Errorf("network namespace %s: %w, %q", name, ErrForeign, found)
	}
	return exists && found == owner, err
}

// lock keeps other programs from making namespaces, until the function that it
// gives is called or the program ends.
func lock() (func(), error) {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(Dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(os.NewSyscallError("flock", err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil
}

// claim puts loopback up and writes the owner on it, last.
func claim(name, owner string) error {
	return WithHandle(name, func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		if err := h.LinkSetUp(lo); err != nil {
			return err
		}
		return h.LinkSetAlias(lo, owner)
	})
}

// create mounts a new namespace on the name's file.
func create(name string) error {
	if err := shareDir(); err != nil {
		return err
	}
	f, err := os.OpenFile(Path(name), os.O_RDONLY|os.O_CREATE, 0o444)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := vnetns.Get()
		if err != nil {
			done <- err
			return
		}
		defer home.Close()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("unshare: %w", err)
			return
		}
		own := fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		err = os.NewSyscallError("mount", unix.Mount(own, Path(name), "none", unix.MS_BIND, ""))
		// The thread goes back: the program's first thread, which stands for the
		// program in /proc, would not end with the goroutine.
		if vnetns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return errors.Join(err, os.Remove(Path(name)))
	}
	return nil
}

// shareDir makes /run/netns a shared mount, so that a namespace deleted here
// disappears in the mount namespaces of other programs too.
func shareDir() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return err
	}
	err := unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) {
		return os.NewSyscallError("mount", err)
	}
	// EINVAL: it is not a mount yet.
	if err := unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	return os.NewSyscallError("mount", unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, ""))
}

// mounted reports whether a namespace is mounted on the name's file.
func mounted(name string) (bool, error) {
	var st unix.Statfs_t
	err := unix.Statfs(Path(name), &st)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil && st.Type == unix.NSFS_MAGIC, os.NewSyscallError("statfs", err)
}

// Owner gives who made the namespace; "" when it was made by something that
// leaves no mark, or its maker died half-way.
func Owner(name string) (owner string, exists bool, err error) {
	if err := checkName(name); err != nil {
		return "", false, err
	}
	if exists, err = mounted(name); err != nil || !exists {
		return "", false, err
	}
	err = WithHandle(name, func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		owner = lo.Attrs().Alias
		return nil
	})
	if errors.Is(err, ErrNotExist) { // deleted in the meantime
		return "", false, nil
	}
	return owner, true, err
}

// Delete removes the namespace. One that is not there is fine; one of another
// owner is left alone and is an error. Processes inside keep the namespace
// itself, without a name, until they end.
func Delete(name, owner string) error {
	found, exists, err := Owner(name)
	if err != nil {
		return fmt.Errorf("delete network namespace %s: %w", name, err)
	}
	if exists && found != owner {
		return fmt.Errorf("delete network namespace %s: %w, %q", name, ErrForeign, found)
	}
	if exists {
		if err := unix.Unmount(Path(name), unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("delete network namespace %s: %w", name, err)
		}
	}
	if err := os.Remove(Path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete network namespace %s: %w", name, err)
	}
	return nil
}

// List gives the names with the prefix, sorted. It does not say whose they are.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(Dir)
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

// Do runs f on a thread that is in the namespace. Sockets that f opens and
// processes that it starts belong to that namespace; what f hands to other
// goroutines does not. An empty name is the namespace of the program.
func Do(name string, f func() error) error {
	if name == "" {
		return f()
	}
	target, err := open(name)
	if err != nil {
		return err
	}
	defer target.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := vnetns.Get()
		if err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", name, err)
			return
		}
		defer home.Close()
		if err := vnetns.Set(target); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", name, err)
			return
		}
		err = f()
		// A thread that cannot go back stays locked and ends with the goroutine.
		if vnetns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

func open(name string) (vnetns.NsHandle, error) {
	h, err := vnetns.GetFromName(name)
	if err != nil {
		return h, fmt.Errorf("open network namespace %s: %w", name, err)
	}
	return h, nil
}

// WithHandle opens a netlink connection (NETLINK_ROUTE) in the namespace for
// the time of f; an empty name is the namespace of the program.
func WithHandle(name string, f func(*netlink.Handle) error) error {
	return withFamily(name, unix.NETLINK_ROUTE, f)
}

// WithNetfilter is WithHandle for netfilter (NETLINK_NETFILTER).
func WithNetfilter(name string, f func(*netlink.Handle) error) error {
	return withFamily(name, unix.NETLINK_NETFILTER, f)
}

func withFamily(name string, family int, f func(*netlink.Handle) error) error {
	var h *netlink.Handle
	var err error
	if name == "" {
		h, err = netlink.NewHandle(family)
	} else {
		fd, openErr := open(name)
		if openErr != nil {
			return openErr
		}
		h, err = netlink.NewHandleAt(fd, family)
		fd.Close()
	}
	if err != nil {
		return fmt.Errorf("open netlink in %s: %w", name, err)
	}
	defer h.Close()
	return f(h)
}

// MoveLink takes a link from one namespace into another; an empty name is the
// namespace of the program. It arrives down.
func MoveLink(link, from, name string) error {
	fd, err := open(name)
	if err != nil {
		return err
	}
	defer fd.Close()
	err = WithHandle(from, func(h *netlink.Handle) error {
		l, err := h.LinkByName(link)
		if err != nil {
			return err
		}
		return h.LinkSetNsFd(l, int(fd))
	})
	if err != nil {
		return fmt.Errorf("move link %s into network namespace %s: %w", link, name, err)
	}
	return nil
}

// HasLink reports whether the namespace has a link of that name; an empty name
// is the namespace of the program.
func HasLink(name, link string) (bool, error) {
	err := WithHandle(name, func(h *netlink.Handle) error {
		_, err := h.LinkByName(link)
		return err
	})
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return false, nil
	}
	return err == nil, err
}

// DeleteLink deletes a link; one that is not there is fine.
func DeleteLink(name, link string) error {
	err := WithHandle(name, func(h *netlink.Handle) error {
		l, err := h.LinkByName(link)
		if err != nil {
			return err
		}
		return h.LinkDel(l)
	})
	var missing netlink.LinkNotFoundError
	if err == nil || errors.As(err, &missing) {
		return nil
	}
	return fmt.Errorf("delete link %s in %s: %w", link, name, err)
}
