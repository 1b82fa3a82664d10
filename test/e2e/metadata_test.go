package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two networks have the same addresses and each guest is told of itself, through
// its router, whatever dies meanwhile.
func TestGuestsBehindRoutersAreToldOfThemselves(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	var guests []Guest
	for _, name := range []string{"red", "blue"} {
		n := c.Network(Attributes{"name": name, "dns_domain": name + ".example."})
		s4, s6 := c.Subnet(n, "10.10.0.0/24"), c.Subnet(n, "fd00:10::/64")
		p := c.Port(n, Attributes{"name": name, "fixed_ips": []Attributes{{"ip_address": "10.10.0.5"}, {"subnet_id": s6.ID}}})
		g := c.Plug("hv1", name, p)
		c.Router(nil, s4, s6)
		c.Router(nil, c.Subnet(n, "fd00:11::/64")) // another one, which has the service's IPv6 address too
		c.Instance(Attributes{
			"name": name, "user_data": base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho " + name + "\n")), "metadata": Attributes{"color": name},
		}, g)
		guests = append(guests, g)
	}
	for _, g := range guests {
		c.Told(g, metadata4+"/latest/meta-data/hostname", g.Guest.Name+"."+g.Guest.Name+".example")
		c.Told(g, metadata6+"/latest/user-data", "#!/bin/sh\necho "+g.Guest.Name+"\n")
		c.toldAtOnce(g)
	}
	t.Run("network data", func(t *testing.T) { c.in(t).networkData(guests[0]) })
	t.Run("a password", func(t *testing.T) { c.in(t).password(guests[0]) })
	t.Run("a change is seen at once", func(t *testing.T) {
		c := c.in(t)
		id := c.Instance(Attributes{"name": "other"}) // without ports
		c.Must(c.Lab.API().Call(t.Context(), "DELETE", "/v2.0/lepton-instances/"+id, nil, nil))
		c.Update("port", guests[1].Port.ID, Attributes{"name": "renamed"})
		c.Told(guests[1], metadata4+"/latest/meta-data/local-ipv4", "10.10.0.5")
	})
	t.Run("without the agent", func(t *testing.T) { c.in(t).withoutAgent(guests) })
	t.Run("a proxy that is killed comes back", func(t *testing.T) {
		c := c.in(t)
		pid := c.proxy("net1")
		c.Must(syscall.Kill(pid, syscall.SIGKILL))
		c.Told(guests[0], metadata4+"/latest/meta-data/local-hostname", "red.red.example")
		if c.proxy("net1") == pid {
			t.Error("the killed process still is the proxy")
		}
	})
}

// networkData compares network_data.json with what the port has.
func (c *Cloud) networkData(g Guest) {
	c.Helper()
	text, err := c.Get(g, metadata4+"/openstack/latest/network_data.json")
	c.Must(err)
	var d struct {
		Links []struct {
			ID  string `json:"id"`
			MTU int    `json:"mtu"`
			MAC string `json:"ethernet_mac_address"`
		} `json:"links"`
		Networks []struct {
			Type string `json:"type"`
			Link string `json:"link"`
		} `json:"networks"`
	}
	c.Must(json.Unmarshal([]byte(text), &d))
	if len(d.Links) != 1 || d.Links[0].MTU != 1450 || d.Links[0].MAC != g.Port.MAC || len(d.Networks) != 2 || d.Networks[0].Type != "ipv4_dhcp" {
		c.Errorf("network data %s", text)
	}
}

// password posts one, and another.
func (c *Cloud) password(g Guest) {
	c.Helper()
	for _, want := range []int{http.StatusOK, http.StatusConflict} {
		res, err := c.HTTP(g).Post(metadata4+"/openstack/latest/password", "text/plain", strings.NewReader("c2VjcmV0"))
		c.Must(err)
		_ = res.Body.Close()
		if res.StatusCode != want {
			c.Errorf("a password: %s, want %d", res.Status, want)
		}
	}
	c.Told(g, metadata4+"/openstack/latest/password", "c2VjcmV0")
}

// withoutAgent kills the agent of the routers' host: the proxy goes on, and the
// next agent takes it over as it is.
func (c *Cloud) withoutAgent(guests []Guest) {
	c.Helper()
	pid := c.proxy("net1")
	c.Must(c.Lab.Stop(c.Context(), "net1", "agent", true))
	for _, g := range guests {
		text, err := c.Get(g, metadata4+"/openstack/latest/meta_data.json")
		if err != nil || !strings.Contains(text, `"color":"`+g.Guest.Name+`"`) {
			c.Errorf("%s without the agent: %s %v", g.Guest.Name, text, err)
		}
	}
	c.Must(c.Lab.Start(c.Context(), "net1", "agent"))
	c.AwaitInSync("net1")
	for range 10 {
		_, err := c.Get(guests[0], metadata4+"/latest/meta-data/instance-id")
		c.Must(err)
		time.Sleep(20 * time.Millisecond)
	}
	if now := c.proxy("net1"); now != pid {
		c.Errorf("the proxy was process %d and is %d", pid, now)
	}
}

// proxy finds the process of a host's metadata proxy.
func (c *Cloud) proxy(host string) (pid int) {
	c.Helper()
	for _, h := range c.Lab.Plan().Hosts {
		if h.Name != host {
			continue
		}
		c.Eventually("metadata proxy on "+host, func() error {
			b, err := os.ReadFile(filepath.Join(h.Dir, "run", "children", "metadata-proxy.json"))
			if err != nil {
				return err
			}
			var r struct{ PID int }
			if err := json.Unmarshal(b, &r); err != nil {
				return err
			}
			if r.PID == 0 || syscall.Kill(r.PID, 0) != nil {
				return fmt.Errorf("process %d is not there", r.PID)
			}
			pid = r.PID
			return nil
		})
	}
	return pid
}
