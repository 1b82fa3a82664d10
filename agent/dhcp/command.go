package dhcp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lepton-sdn/lepton/linux/child"
)

// Names of a server's files in its directory.
const (
	hostsName  = "host"
	namesName  = "addn_hosts"
	optsName   = "opts"
	leasesName = "leases"
	pidName    = "pid"
	logName    = "log"
)

// childName is the name of a network's dnsmasq among the children.
func childName(network string) string { return "dnsmasq-" + network }

// spec is the dnsmasq that serves the network with the files in dir. What it
// prints is only what keeps it from starting; the rest goes to syslog.
func (s *Server) spec(dir, ns string) child.Spec {
	file := func(name string) string { return filepath.Join(dir, name) }
	var user []string
	if !reachable(dir) {
		user = []string{"--user=root"}
	}
	return child.Spec{
		Name: childName(s.NetworkID), Namespace: ns, Path: "dnsmasq",
		Args: append(append([]string{
			"--pid-file=" + file(pidName), "--dhcp-hostsfile=" + file(hostsName), "--addn-hosts=" + file(namesName),
			"--dhcp-optsfile=" + file(optsName), "--dhcp-leasefile=" + file(leasesName),
		}, user...), s.Args...),
		Config: s.digest(), Reload: syscall.SIGHUP, Log: file(logName),
	}
}

// reachable reports whether everybody may go to the directory: dnsmasq reads its
// files again as a user without rights.
func reachable(dir string) bool {
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err != nil || st.Mode()&0o001 == 0 {
			return false
		}
	}
	return true
}

// files are what dnsmasq reads, by name.
func (s *Server) files() map[string]string {
	return map[string]string{hostsName: s.Hosts, namesName: s.Names + s.serialLine(), optsName: s.Options}
}

// writeFiles makes the files in dir what is desired and gives how many were
// written.
func (s *Server) writeFiles(dir string) (written int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("files of dnsmasq: %w", err)
	}
	var errs []error
	for name, text := range s.files() {
		did, err := writeFile(filepath.Join(dir, name), text)
		if did {
			written++
		}
		errs = append(errs, err)
	}
	// The server's identity over IPv6 goes with its network: a client that renews
	// is heard by all servers, here and on the next host.
	if _, err := os.Stat(filepath.Join(dir, leasesName)); errors.Is(err, fs.ErrNotExist) {
		did, err := writeFile(filepath.Join(dir, leasesName), "duid "+colons(s.DUID)+"\n")
		if did {
			written++
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return written, fmt.Errorf("files of dnsmasq: %w", err)
	}
	return written, nil
}

// writeFile replaces a file whose content differs.
func writeFile(path, text string) (bool, error) {
	if have, err := os.ReadFile(path); err == nil && string(have) == text {
		return false, nil
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return false, err
	}
	return true, os.Rename(tmp, path)
}
