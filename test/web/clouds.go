package web

import (
	"fmt"

	"github.com/lepton-sdn/lepton/model"
)

// Small is a cloud as in a company's first room: eight hosts, some projects, one
// host silent, a port that cannot be wired, and a network with a name to try.
func Small(odd string) *Seed {
	s := NewSeed()
	for i := range 8 {
		s.Host(fmt.Sprintf("compute-%d", i+1), func(a *model.Agent) {
			switch i {
			case 4:
				a.HeartbeatAt, a.InSync = s.now.Add(-600e9), false
			case 6:
				a.InSync = false
				a.Problems = []model.Problem{{Object: "bridge br-phys", Text: "is missing: the networks of physnet1 cannot be carried", Since: s.now}}
			case 2:
				a.Findings = []model.Finding{
					{At: s.now.Add(-90e9), Kind: "flow", Place: "br-int", Text: "table=60, priority=100,in_port=7 is not there", Repaired: true},
					{At: s.now.Add(-95e9), Kind: "bridge", Place: "br-tun", Text: "patch-int is missing; beside it is " + odd, Repaired: true},
				}
			}
		})
	}
	_, public := s.Network("public", "ops", "203.0.113.0/24", s.External)
	_, office := s.Network("office", "ops", "198.51.100.0/24", func(n *model.Network) {
		n.Segment = model.Segment{Type: model.VLAN, PhysicalNetwork: "physnet1", ID: 120}
		n.Shared = true
	})
	type tenant struct {
		project string
		nets    []string
		guests  []int
	}
	var made int
	for t, x := range []tenant{
		{"shop", []string{"shop-web", "shop-app", "shop-db"}, []int{24, 18, 6}},
		{"ci", []string{"ci-runners"}, []int{57}},
		{"research", []string{"lab", odd}, []int{33, 9}},
		{"mail", []string{"mail-in", "mail-store"}, []int{8, 12}},
		{"sandbox", []string{"sandbox"}, []int{14}},
	} {
		group := s.Group(x.project+"-default", x.project)
		var subs []*model.Subnet
		for n, name := range x.nets {
			_, sub := s.Network(name, x.project, fmt.Sprintf("10.%d.%d.0/24", 10+t, n))
			subs = append(subs, sub)
			for k := range x.guests[n] {
				s.Port(sub, k+10, func(p *model.Port, st *model.PortStatus) {
					made++
					p.Name = fmt.Sprintf("%s-%02d", name, k+1)
					p.Host, p.SecurityGroups = fmt.Sprintf("compute-%d", (made*5+t*3)%8+1), []string{group}
					if name == Hostile {
						p.Name, p.DeviceID = HostileSVG, Hostile
					}
					switch {
					case name == "lab" && k == 4:
						st.State, st.Error = model.PortError, "bridge br-phys is missing"
					case made%17 == 0:
						st.State = model.PortDown
					}
				})
			}
			s.Port(sub, 0, func(p *model.Port, _ *model.PortStatus) {
				p.DeviceOwner, p.Host = "network:dhcp", fmt.Sprintf("compute-%d", t%3+1)
			})
		}
		if x.project != "sandbox" {
			s.Router(x.project+"-edge", public, fmt.Sprintf("compute-%d", t%3+1), subs...)
		}
	}
	for k := range 11 {
		s.Port(office, k+10, func(p *model.Port, _ *model.PortStatus) {
			p.Name, p.Host = fmt.Sprintf("desk-%02d", k+1), fmt.Sprintf("compute-%d", k%4+1)
		})
	}
	return s
}

// Names that a browser would run if a page took them for markup.
const (
	Hostile    = `<img src=x onerror="window.harmed=1">`
	HostileSVG = `"><svg onload=window.harmed=1></svg><script>window.harmed=1</script>`
)

// Large is a cloud of 30,000 ports on 120 networks and 60 hosts.
func Large() *Seed {
	const networks, hosts, ports = 120, 60, 30_000
	s := NewSeed()
	for i := range hosts {
		s.Host(fmt.Sprintf("hv%03d", i))
	}
	_, out := s.Network("internet", "ops", "203.0.112.0/22", s.External)
	for n := range networks {
		project := fmt.Sprintf("project-%02d", n/3)
		_, sub := s.Network(fmt.Sprintf("net-%03d", n), project, fmt.Sprintf("10.%d.0.0/16", n+1))
		// Sizes from a few to many; together ports.
		for k := range 2 * ports / networks * (n + 1) / (networks + 1) {
			s.Port(sub, k+10, func(p *model.Port, st *model.PortStatus) {
				p.Name, p.Host = fmt.Sprintf("vm-%03d-%04d", n, k), fmt.Sprintf("hv%03d", (n*7+k%9)%hosts)
				if k%23 == 0 {
					st.State = model.PortDown
				}
			})
		}
		if n%3 == 2 {
			s.Router(fmt.Sprintf("router-%02d", n/3), out, fmt.Sprintf("hv%03d", n%hosts), sub)
		}
	}
	for k := 0; len(s.Ports) < ports; k++ {
		s.Port(out, k+300, func(p *model.Port, _ *model.PortStatus) { p.Name = fmt.Sprintf("extra-%d", k) })
	}
	return s
}
