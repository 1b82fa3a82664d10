package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// policy creates a QoS policy with bandwidth limits in kbit/s, and gives its id.
func (c *Cloud) policy(egress, ingress int) string {
	c.Helper()
	var answer struct {
		Policy struct{ ID string }
	}
	call := func(path, kind string, attrs Attributes, out any) {
		c.Helper()
		c.Must(c.Lab.API().Call(c.Context(), "POST", path, map[string]any{kind: attrs}, out))
	}
	call("/v2.0/qos/policies", "policy", Attributes{"name": fmt.Sprint(egress)}, &answer)
	for direction, limit := range map[string]int{"egress": egress, "ingress": ingress} {
		call("/v2.0/qos/policies/"+answer.Policy.ID+"/bandwidth_limit_rules", "bandwidth_limit_rule",
			Attributes{"max_kbps": limit, "direction": direction}, nil)
	}
	return answer.Policy.ID
}

// rate opens a connection from one guest to an address of the other, has one of
// them send as fast as it can, and gives what arrives in kbit/s; what a burst
// lets through at first is left out.
func (c *Cloud) rate(from, to Guest, address netip.Addr, back bool) float64 {
	c.Helper()
	return c.rateWithin(1200*time.Millisecond, from, to, address, back)
}

func (c *Cloud) rateWithin(window time.Duration, from, to Guest, address netip.Addr, back bool) float64 {
	c.Helper()
	l, err := to.Listen(":0")
	c.Must(err)
	defer l.Close()
	var near net.Conn
	c.Eventually("a connection", func() error {
		return from.Inside(func() (err error) {
			near, err = net.DialTimeout("tcp", netip.AddrPortFrom(address, uint16(l.Addr().(*net.TCPAddr).Port)).String(), time.Second)
			return err
		})
	})
	defer near.Close()
	far, err := l.Accept()
	c.Must(err)
	defer far.Close()
	sender, receiver := near, far
	if back {
		sender, receiver = far, near
	}
	go func() {
		block := make([]byte, 16<<10)
		for {
			if _, err := sender.Write(block); err != nil {
				return
			}
		}
	}()
	count := func(d time.Duration) float64 {
		began := time.Now()
		_ = receiver.SetReadDeadline(began.Add(d))
		n, _ := io.Copy(io.Discard, receiver) // until the deadline
		return float64(n) * 8 / 1000 / time.Since(began).Seconds()
	}
	count(window / 3)
	return count(window)
}

func TestFloatingIPsAndGatewaysKeepTheirBandwidthLimits(t *testing.T) {
	c := Start(t, "three-node")
	ext, outside := c.external()
	blue := c.Network(nil)
	blue4 := c.Subnet(blue, "10.10.0.0/24")
	a, b, d := c.open("hv1", "a", blue), c.open("hv1", "b", blue), c.open("hv2", "d", blue)
	r := c.Router(&ext, blue4)
	limited, free := c.FloatingIP(ext, &a.Port), c.FloatingIP(ext, &d.Port)
	c.Update("router", r.ID, Attributes{"external_gateway_info": Attributes{"network_id": ext.ID, "qos_policy_id": c.policy(5000, 8000)}})
	own := c.policy(12000, 20000)
	c.Update("floatingip", limited.ID, Attributes{"qos_policy_id": own})
	net1, err := c.Lab.Place("net1")
	c.Must(err)
	c.Eventually("limits", func() error {
		out, err := net1.Exec(t.Context(), "ip", "netns", "exec", "qrouter-"+r.ID, "tc", "class", "show", "dev", "qg-"+c.gatewayPort(r)[:11])
		if err == nil && out == "" {
			err = errors.New("no classes")
		}
		return err
	})
	out := outside.IP(4)
	for _, tc := range []struct {
		what     string
		from, to Guest
		address  netip.Addr
		back     bool
		want     float64
	}{
		{"out by the gateway", b, outside, out, false, 5000},
		{"in by the gateway", b, outside, out, true, 8000},
		{"out by the limited floating IP, whose limit counts and not the gateway's", a, outside, out, false, 12000},
		{"in by the limited floating IP", outside, a, limited.Address, false, 20000},
	} {
		// A busy machine may hold a measurement up, but not each.
		c.Eventually(tc.what, func() error {
			got := c.rate(tc.from, tc.to, tc.address, tc.back)
			if got < 0.8*tc.want || got > 1.2*tc.want {
				return fmt.Errorf("%.0f kbit/s, the limit is %.0f", got, tc.want)
			}
			t.Logf("%s: %.0f kbit/s of %.0f", tc.what, got, tc.want)
			return nil
		})
	}
	// A shaped connection carries 20 Mbit/s at most, however often it is measured.
	unlimited := func(what string, from, to Guest, address netip.Addr) {
		c.Eventually(what, func() error {
			if got := c.rateWithin(200*time.Millisecond, from, to, address, false); got < 40000 {
				return fmt.Errorf("%.0f kbit/s without a limit", got)
			}
			return nil
		})
	}
	// A floating IP without a policy has no limit, nor has it between guests.
	unlimited("in by the other floating IP", outside, d, free.Address)
	unlimited("out by the other floating IP", d, outside, out)
	unlimited("between guests", a, d, d.IP(4))
	// Without its policy the floating IP has none either, not the gateway's.
	c.Update("floatingip", limited.ID, Attributes{"qos_policy_id": nil})
	unlimited("without its policy", a, outside, out)
}

// gatewayPort is the id of the router's port on the external network.
func (c *Cloud) gatewayPort(r Router) string {
	c.Helper()
	var answer struct{ Ports []Port }
	c.Must(c.Lab.API().Call(c.Context(), "GET", "/v2.0/ports?device_owner=network:router_gateway&device_id="+r.ID, nil, &answer))
	if len(answer.Ports) != 1 {
		c.Fatalf("%d gateway ports", len(answer.Ports))
	}
	return answer.Ports[0].ID
}
