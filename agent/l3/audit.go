package l3

import (
	"context"
	"os"
	"strings"

	"github.com/lepton-sdn/lepton/linux/iptables"
	"github.com/lepton-sdn/lepton/linux/links"
	"github.com/lepton-sdn/lepton/linux/netns"
)

// This file: what others changed in the routers' namespaces.

// Inspect notes what is not as it should be.
func (j *job) Inspect(ctx context.Context) error {
	ns := j.Namespace
	for _, p := range j.want.Ports {
		inside, err := netns.HasLink(ns, p.Name)
		if err != nil {
			return err
		}
		if !inside {
			j.Note("link %s is missing", p.Name)
		}
	}
	for family, set := range map[iptables.Family]iptables.Ruleset{iptables.IPv4: j.want.V4, iptables.IPv6: j.want.V6} {
		have, err := iptables.Read(ctx, ns, family)
		if err != nil {
			return err
		}
		text, err := iptables.Diff(have, set)
		if err != nil {
			return err
		}
		if n := strings.Count(text, "\n"); n > 0 {
			j.Note("rules of %s are not as they were: %d lines put them right", family, n)
		}
	}
	state, err := links.Read(ns)
	if err != nil {
		return err
	}
	changes, _ := links.Diff(state, j.want.Links) // a missing link has been noted
	for _, c := range changes {
		j.Note("lacks: %s", c)
	}
	if want := j.want.RADVD; want != "" {
		if have, err := os.ReadFile(j.radvdFile(".conf")); err != nil || string(have) != want {
			j.Note("the file of radvd was changed")
		}
	}
	return nil
}
