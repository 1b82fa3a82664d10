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
	ca, err := pki.NewCA("lab " + b.plan.Lab)
	if err != nil {
		return fmt.Errorf("make authority of the lab: %w", err)
	}
	dir := filepath.Join(b.plan.Dir, "pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make authority of the lab: %w", err)
	}
	if err := ca.Save(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem")); err != nil {
		return fmt.Errorf("make authority of the lab: %w", err)
	}
	for _, h := range b.plan.Hosts {
		pair, err := ca.Issue(pki.Request{
			Names:     []string{h.Name},
			Addresses: []netip.Addr{h.Mgmt.Addr()},
		})
		if err == nil {
			err = pair.Save(filepath.Join(h.Dir, "tls", "cert.pem"), filepath.Join(h.Dir, "tls", "key.pem"))
		}
		if err != nil {
			return fmt.Errorf("host %s: certificate: %w", h.Name, err)
		}
	}
	return nil
}
