package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/lepton-sdn/lepton/pki"
)

// certificates makes the lab's authority and an identity for every host: its
// name, and its management address, by which the agents dial the controller.
func (b *builder) certificates() error {
	d, err := pki.Create(filepath.Join(b.plan.Dir, "pki"), "lab "+b.plan.Lab)
	if err != nil {
		return fmt.Errorf("make authority of the lab: %w", err)
	}
	for _, h := range b.plan.Hosts {
		dir, err := d.Issue(pki.Request{
			Names:     []string{h.Name},
			Addresses: []netip.Addr{h.Mgmt.Addr()},
		})
		if err == nil {
			err = os.Symlink(dir, filepath.Join(h.Dir, "tls"))
		}
		if err != nil {
			return fmt.Errorf("host %s: certificate: %w", h.Name, err)
		}
	}
	return nil
}
