package e2e

import (
	"context"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// cloudInitPackage is where .ci/prepare unpacks Debian's cloud-init.
const cloudInitPackage = "/var/cache/lepton/cloud-init"

const guestKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILjK8y8yXhJrN3ZqVQvS4gW1jXWmzL5m5o2q0rPuW9uT me@home"

// Debian's cloud-init finds its host name, key and user data, by either of the
// two trees, though the agent dies while it asks.
func TestCloudInitSetsUpAGuest(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(cloudInitPackage, "usr/bin/cloud-init")); err != nil {
		t.Fatalf("%v: .ci/prepare packages unpacks it", err)
	}
	c := Start(t, "three-node")
	n := c.Network(nil)
	s := c.Subnet(n, "10.10.0.0/24")
	c.Router(nil, s)
	g := c.Guest("hv1", "vm", n)
	script := "#!/bin/sh\necho told > /var/tmp/told\n"
	c.Instance(Attributes{
		"name": "Web 1", "user_data": base64.StdEncoding.EncodeToString([]byte(script)), "keys": []Attributes{{"name": "me", "public_key": guestKey}},
	}, g)
	c.Told(g, metadata4+"/latest/meta-data/hostname", "web-1.openstacklocal")
	for _, source := range []string{"OpenStack", "Ec2"} {
		t.Run(source, func(t *testing.T) {
			c := c.in(t)
			done := make(chan string, 1)
			go func() { done <- c.cloudInit(g, source) }()
			time.Sleep(500 * time.Millisecond)
			c.Restart("net1", "agent", true)
			out := <-done
			for name, want := range map[string]string{
				"uts": "web-1", "hostname": "web-1", "key": guestKey, "script": "told", "errors": "[]",
			} {
				if got := value(out, name); got != want && !(name == "key" && strings.HasSuffix(got, guestKey)) {
					t.Errorf("%s is %q, want %q, in:\n%s", name, got, want, out)
				}
			}
		})
	}
}

// value finds a line of the script's output by its first word.
func value(out, name string) string {
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// cloudInit runs cloud-init in the guest and gives what the script prints.
func (c *Cloud) cloudInit(g Guest, source string) string {
	dir, err := os.MkdirTemp("", "cloud-init")
	if err != nil {
		c.Error(err)
		return ""
	}
	defer os.Remove(dir)
	ctx, cancel := context.WithTimeout(c.Context(), 2*time.Minute)
	defer cancel()
	// cloud-init takes the first process's environment for a sign of the cloud.
	cmd := exec.CommandContext(ctx, "nsenter", "--net="+netns.Path(g.Guest.Namespace),
		"unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "product_name=OpenStack Nova",
		"sh", "cloudinit.sh", dir, cloudInitPackage, source)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.Errorf("cloud-init: %v:\n%s", err, out)
	}
	return string(out)
}
