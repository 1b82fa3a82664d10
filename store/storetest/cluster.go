package storetest

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Cluster is a cluster of Debian's etcd on loopback, its members processes of
// their own with their data in temporary directories.
type Cluster struct {
	t       testing.TB
	members []*member
}

// member is one process of a cluster.
type member struct {
	args     []string
	endpoint string
	cmd      *exec.Cmd
	output   output
}

// output is what a process writes; it is read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// clusterTries is how often a cluster is started whose ports others took
// between the choice and the start.
const clusterTries = 3

// StartCluster runs so many members until the test ends, with etcd's own
// defaults but for the options.
func StartCluster(t testing.TB, size int, options ...string) *Cluster {
	t.Helper()
	binary, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatal("this test runs Debian's etcd: install the package etcd-server")
	}
	for range clusterTries {
		c := &Cluster{t: t}
		c.plan(binary, size, options)
		for i := range c.members {
			c.start(i)
		}
		if err = c.await(); err == nil {
			t.Cleanup(c.stop)
			return c
		}
		c.stop()
	}
	t.Fatal(err)
	return nil
}

// plan chooses the members' ports and arguments.
func (c *Cluster) plan(binary string, size int, options []string) {
	var peers []string
	ports := freePorts(c.t, 2*size)
	address := func(i int) string { return fmt.Sprintf("http://127.0.0.1:%d", ports[i]) }
	for i := range size {
		peers = append(peers, fmt.Sprintf("m%d=%s", i, address(size+i)))
	}
	for i := range size {
		client, peer := address(i), address(size+i)
		c.members = append(c.members, &member{endpoint: client, args: append([]string{
			binary, "--data-dir", c.t.TempDir(), "--name", fmt.Sprintf("m%d", i),
			"--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", strings.Join(peers, ","), "--initial-cluster-token", peers[0],
		}, options...)})
	}
}

// freePorts finds ports on loopback that nobody listens on now.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// Endpoints are the members' addresses for clients.
func (c *Cluster) Endpoints() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.endpoint)
	}
	return all
}

// Kill ends a member at once.
func (c *Cluster) Kill(i int) { c.members[i].kill() }

// Restart starts a killed member again with the data that it has.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	c.start(i)
	if err := c.await(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) start(i int) {
	c.t.Helper()
	m := c.members[i]
	m.cmd = exec.Command(m.args[0], m.args[1:]...)
	m.cmd.Stdout, m.cmd.Stderr = &m.output, &m.output
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		m.cmd = nil
		c.t.Fatal(err)
	}
}

// await waits until all members listen.
func (c *Cluster) await() error {
	for _, m := range c.members {
		if m.cmd == nil {
			continue
		}
		_, address, _ := strings.Cut(m.endpoint, "//")
		end := time.Now().Add(20 * time.Second)
		for {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				conn.Close()
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("etcd does not listen on %s after 20 s:\n%s", m.endpoint, m.output.String())
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func (c *Cluster) stop() {
	for _, m := range c.members {
		m.kill()
	}
}

func (m *member) kill() {
	if m.cmd != nil {
		_ = m.cmd.Process.Kill() // it may have ended
		_ = m.cmd.Wait()         // killed
		m.cmd = nil
	}
}
