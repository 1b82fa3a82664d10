package plugin

import (
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// TagNetwork replaces a network's tags.
func (p *Plugin) TagNetwork(u *records.Update, before *model.Network, tags []string) {
	n := *before
	p.retag(&n.Meta, tags)
	records.Networks.Put(u, &n)
}

// TagSubnet replaces a subnet's tags.
func (p *Plugin) TagSubnet(u *records.Update, before *model.Subnet, tags []string) {
	s := *before
	p.retag(&s.Meta, tags)
	records.Subnets.Put(u, &s)
}

// TagPort replaces a port's tags.
func (p *Plugin) TagPort(u *records.Update, before *model.Port, tags []string) {
	port := *before
	p.retag(&port.Meta, tags)
	records.Ports.Put(u, &port)
}

// TagGroup replaces a security group's tags.
func (p *Plugin) TagGroup(u *records.Update, before *model.SecurityGroup, tags []string) {
	g := *before
	p.retag(&g.Meta, tags)
	records.SecurityGroups.Put(u, &g)
}

func (p *Plugin) retag(m *model.Meta, tags []string) {
	m.Tags = tags
	p.touch(m)
}
