package scale

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/pki"
)

// physnet is the physical network of external networks.
const physnet = "physnet1"

// control is the control plane: an etcd and a controller, processes of their
// own on loopback.
type control struct {
	bin, dir             string
	api                  *lab.API
	rpc, metrics         string // addresses
	etcdClient, etcdPeer string
	authority            *pki.CA
	etcd, controller     *process
	secure               bool
	refused              atomic.Int64 // answers 503
}

// process is a child and the file that it logs to.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan error // has one value when it has ended
}

// startControl runs etcd and a controller in a new directory.
func startControl(ctx context.Context, o Options) (*control, error) {
	dir, err := os.MkdirTemp("", "lepton-sim")
	if err != nil {
		return nil, err
	}
	c := &control{bin: o.Bin, dir: dir, secure: o.TLS}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := errors.Join(c.startEtcd(ctx), c.start(ctx)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// prepare chooses addresses and writes certificates and configuration.
func (c *control) prepare() error {
	addresses, err := freeAddresses(5)
	if err != nil {
		return err
	}
	c.rpc, c.metrics, c.etcdClient, c.etcdPeer = addresses[1], addresses[2], addresses[3], addresses[4]
	c.api = &lab.API{URL: "http://" + addresses[0], HTTP: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: time.Minute,
	}}
	text := fmt.Sprintf("api: {listen: %q}\nmetrics: {listen: %q}\nstore: {endpoints: [\"http://%s\"]}\n"+
		"network: {quotas: {network: -1, subnet: -1, port: -1, router: -1, floatingip: -1, security_group: -1, security_group_rule: -1}}\n"+
		"dhcp: {mode: local}\nlog: {level: warn}\n", addresses[0], c.metrics, c.etcdClient)
	if !c.secure {
		text += fmt.Sprintf("rpc: {listen: %q}\n", c.rpc)
		return os.WriteFile(c.file("controller.yaml"), []byte(text), 0o600)
	}
	if c.authority, err = pki.NewCA("simulation"); err != nil {
		return err
	}
	if err := c.authority.Save(c.file("ca.crt"), c.file("ca.key")); err != nil {
		return err
	}
	f, err := c.issue("controller")
	if err != nil {
		return err
	}
	text += fmt.Sprintf("rpc: {listen: %q, tls: {cert: %s, key: %s, ca: %s}}\n", c.rpc, f.Cert, f.Key, f.CA)
	return os.WriteFile(c.file("controller.yaml"), []byte(text), 0o600)
}

func (c *control) file(name string) string { return filepath.Join(c.dir, name) }

// issue writes a certificate for a name and loopback.
func (c *control) issue(name string) (pki.Files, error) {
	f := pki.Files{Cert: c.file(name + ".crt"), Key: c.file(name + ".key"), CA: c.file("ca.crt")}
	pair, err := c.authority.Issue(pki.Request{Names: []string{name}, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if err != nil {
		return f, err
	}
	return f, pair.Save(f.Cert, f.Key)
}

// keys gives a host what it connects with; nil without TLS.
func (c *control) keys(host string) (*pki.Keys, error) {
	if !c.secure {
		return nil, nil
	}
	f, err := c.issue(host)
	if err != nil {
		return nil, err
	}
	return f.Open(zap.NewNop())
}

func freeAddresses(n int) ([]string, error) {
	var all []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all, nil
}

func (c *control) startEtcd(ctx context.Context) (err error) {
	client, peer := "http://"+c.etcdClient, "http://"+c.etcdPeer
	c.etcd, err = c.spawn("etcd", "etcd", "--data-dir", c.file("etcd"), "--name", "sim", "--log-level", "warn",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "sim="+peer,
		"--max-txn-ops", "10000")
	if err != nil {
		return err
	}
	return until(ctx, 20*time.Second, func() (string, error) {
		conn, err := net.Dial("tcp", c.etcdClient)
		if err != nil {
			return err.Error(), c.etcd.ended()
		}
		return "", conn.Close()
	})
}

// start runs the controller and waits until it answers.
func (c *control) start(ctx context.Context) (err error) {
	c.controller, err = c.spawn("controller", filepath.Join(c.bin, "lepton-controller"), "--config", c.file("controller.yaml"))
	if err != nil {
		return err
	}
	err = until(ctx, time.Minute, func() (string, error) {
		if err := c.api.Call(ctx, "GET", "/", nil, nil); err != nil {
			return err.Error(), c.controller.ended()
		}
		return "", nil
	})
	return err
}

func (c *control) spawn(name, program string, args ...string) (*process, error) {
	p := &process{name: name, log: c.file(name + ".log"), done: make(chan error, 1)}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// ended gives an error with the end of the log when the process runs no more.
func (p *process) ended() error {
	select {
	case err := <-p.done:
		p.done <- err
		return fmt.Errorf("%s has ended (%v): %s", p.name, err, p.tail())
	default:
		return nil
	}
}

// tail gives the end of the log.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}

// complaints counts the errors that the process has logged, and gives the first.
func (p *process) complaints() (n int, first string) {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return 1, err.Error()
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "ERROR" {
			if n++; n == 1 {
				first = strings.TrimSpace(line)
			}
		}
	}
	return n, first
}

// stop ends the process, by force after ten seconds.
func (p *process) stop(sig syscall.Signal) {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig) // it may have ended
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		p.done <- <-p.done
	}
}

// close ends everything and removes the directory.
func (c *control) close() {
	c.controller.stop(syscall.SIGTERM)
	c.etcd.stop(syscall.SIGKILL)
	_ = os.RemoveAll(c.dir)
}

// until asks again and again what is still missing, until that is nothing.
func until(ctx context.Context, patience time.Duration, missing func() (string, error)) error {
	end := time.Now().Add(patience)
	for {
		what, err := missing()
		if err != nil || what == "" {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %s: %s", patience, what)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
