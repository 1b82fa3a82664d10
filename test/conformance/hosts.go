package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/agents"

	"github.com/lepton-sdn/lepton/agent/session"
	"github.com/lepton-sdn/lepton/model"
)

// hosts are the machines of the cloud, by name, with the roles of their agents.
// The stand-in for Nova has the first for its hypervisor.
var hosts = []struct {
	name  string
	roles []string
}{
	{"hv1", []string{"l2"}},
	{"hv2", []string{"l2"}},
	{"net1", []string{"l2", "l3", "dhcp"}},
}

// startHosts joins the hosts' agents. They speak to the controller as every
// agent does, but have no switch: only the ports that an agent makes by itself
// are ever wired, no guest's.
func (c *cloud) startHosts(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	c.stopHosts = cancel
	for i, h := range hosts {
		s := session.New(session.Config{
			Addresses: []string{c.RPC},
			Hello: model.Agent{
				Host: h.name, Instance: "conformance-" + h.name, Version: "conformance", Roles: h.roles,
				TunnelTypes: []model.NetworkType{model.VXLAN, model.GRE, model.Geneve}, TunnelIP: netip.AddrFrom4([4]byte{192, 0, 2, byte(11 + i)}), VXLANPort: 4789,
				BridgeMappings: map[string]string{c.Physical: "br-phys"}, IntegrationBridge: "br-int", DatapathType: "system",
			},
		})
		go func() {
			if err := s.Run(ctx); err != nil {
				fmt.Println("the agent of", h.name, "ended:", err)
			}
		}()
		s.SetDevices(0, true)
		go func() {
			for u := range s.Updates() {
				s.Report(wired(&u, h.name)...)
				s.Ack(u.Revision)
			}
		}()
	}
	return c.awaitHosts(ctx)
}

// wired reports the host's ports of routers and DHCP as wired.
func wired(u *session.Update, host string) []model.PortStatus {
	var all []model.PortStatus
	for _, p := range u.Ports {
		if p.Host == host && strings.HasPrefix(p.DeviceOwner, "network:") {
			all = append(all, model.PortStatus{PortID: p.ID, State: model.PortActive, Revision: p.Revision})
		}
	}
	return all
}

// awaitHosts waits until the API shows all agents alive.
func (c *cloud) awaitHosts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	want := 0
	for _, h := range hosts {
		want += len(h.roles)
	}
	alive := true
	for {
		pages, err := agents.List(c.network, agents.ListOpts{Alive: &alive}).AllPages(ctx)
		if err == nil {
			list, unread := agents.ExtractAgents(pages)
			if unread == nil && len(list) == want {
				return nil
			}
			err = errors.Join(unread, fmt.Errorf("%d of %d agents are alive", len(list), want))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the hosts' agents: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
