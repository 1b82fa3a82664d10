package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/pki"
)

// defaultCerts is where an operator's authority lives when nothing is said.
const defaultCerts = "/etc/lepton/pki"

const day = 24 * time.Hour

// certs are the flags of the commands about certificates.
type certs struct {
	dir       string
	name      string
	names     []string
	addresses []string
	roles     []string
	days      int
	all       bool
	within    int
}

func newCerts(s *settings) *cobra.Command {
	c := &certs{}
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Certificates of controllers and agents",
		Long: `Controllers and agents show each other certificates of one authority, which
this makes and keeps in a directory.

  leptonctl certs init
  leptonctl certs issue ctl1 --address 192.0.2.10
  leptonctl certs issue hv1
  leptonctl certs show

An agent may speak only as the host that its certificate names, exactly as
"host" in its configuration, and with --role only in these roles. A controller's certificate needs every name and
address that agents and clients reach it by. A host needs the files in
its directory (DIR/HOST) and nothing else; the authority's key, ca-key.pem,
stays where it is. Programs take a renewed certificate without a restart.

A key that was stolen is shut out by the authority's list of revoked
certificates, crl.pem, which controllers read again when it changes (rpc.tls.crl
in their configuration):

  leptonctl certs revoke hv1
  leptonctl certs renew hv1`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&c.dir, "dir", defaultCerts, "directory of the authority and of what it issued")
	cmd.AddCommand(c.init(), c.issue(), c.renew(), c.revoke(), c.show(s))
	return cmd
}

func (c *certs) init() *cobra.Command {
	cmd := &cobra.Command{
		Use: "init", Short: "Make a certificate authority", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := pki.Create(c.dir, c.name); err != nil {
				return c.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "made the authority %q in %s\nkeep ca-key.pem secret; next: leptonctl certs issue --dir %s HOST\n", c.name, c.dir, c.dir)
			return nil
		},
	}
	cmd.Flags().StringVar(&c.name, "cloud", "lepton", "name of the cloud, to be seen in the authority's certificate")
	return cmd
}

func (c *certs) issue() *cobra.Command {
	cmd := &cobra.Command{
		Use: "issue HOST", Short: "Make the certificate of a host", Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			r := pki.Request{Names: append([]string{a[0]}, c.names...), Roles: c.roles}
			err := c.checkRoles()
			if err != nil {
				return err
			}
			if r.Lifetime, err = c.lifetime(); err != nil {
				return err
			}
			for _, s := range c.addresses {
				ip, err := netip.ParseAddr(s)
				if err != nil {
					return usage(fmt.Errorf("--address %q is not an address", s))
				}
				r.Addresses = append(r.Addresses, ip)
			}
			d, err := pki.OpenDirectory(c.dir)
			if err != nil {
				return c.explain(err)
			}
			dir, err := d.Issue(r)
			if err != nil {
				return c.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "issued %s: copy its files to the host's /etc/lepton/tls\n", dir)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&c.names, "name", nil, "a further DNS `name` of the host, of controllers those that they are reached by")
	cmd.Flags().StringSliceVar(&c.addresses, "address", nil, "an `address` that a controller is reached by")
	c.addDays(cmd)
	return cmd
}

func (c *certs) addDays(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&c.roles, "role", nil, "a `role` that the host's agent may have, such as l2; without any it may have all")
	cmd.Flags().IntVar(&c.days, "days", int(pki.Lifetime/day), "how many `days` the certificate is valid")
}

func (c *certs) checkRoles() error {
	for _, r := range c.roles {
		if !slices.Contains(config.Roles(), r) {
			return usage(fmt.Errorf("--role %q is none of %s", r, strings.Join(config.Roles(), ", ")))
		}
	}
	return nil
}

func (c *certs) lifetime() (time.Duration, error) {
	if longest := int(pki.CALifetime / day); c.days < 1 || c.days > longest {
		return 0, usage(fmt.Errorf("--days %d is not between 1 and %d", c.days, longest))
	}
	return time.Duration(c.days) * day, nil
}

func (c *certs) renew() *cobra.Command {
	cmd := &cobra.Command{
		Use: "renew HOST... | renew --all", Short: "Make certificates anew, with the names, addresses and roles that they have",
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if c.all == (len(hosts) > 0) {
				return usage(errors.New("either hosts are named or --all is given"))
			}
			lifetime, err := c.lifetime()
			if err == nil {
				err = c.checkRoles()
			}
			if err != nil {
				return err
			}
			d, err := pki.OpenDirectory(c.dir)
			if err != nil {
				return c.explain(err)
			}
			if c.all {
				holders, err := d.Holders()
				if err != nil {
					return err
				}
				for _, h := range holders {
					hosts = append(hosts, h.Host)
				}
			}
			var failed []error
			for _, host := range hosts {
				dir, err := d.Renew(host, lifetime, c.roles...)
				if err != nil {
					failed = append(failed, c.explain(err))
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "renewed %s\n", dir)
			}
			return errors.Join(failed...)
		},
	}
	cmd.Flags().BoolVar(&c.all, "all", false, "renew those of all hosts")
	c.addDays(cmd)
	return cmd
}

func (c *certs) revoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke HOST...", Short: "Have nobody believe any certificate that hosts were issued so far",
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			d, err := pki.OpenDirectory(c.dir)
			if err != nil {
				return c.explain(err)
			}
			var failed []error
			revoked := 0
			for _, host := range hosts {
				n, err := d.Revoke(host)
				if err != nil {
					failed = append(failed, c.explain(err))
					continue
				}
				revoked += n
				fmt.Fprintf(cmd.OutOrStdout(), "revoked %d certificates of %s\n", n, host)
			}
			if revoked == 0 {
				return errors.Join(failed...)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "copy %s/crl.pem to every controller, where rpc.tls.crl names it; a host gets a new certificate with: leptonctl certs renew --dir %s HOST\n", c.dir, c.dir)
			return errors.Join(failed...)
		},
	}
}

func (c *certs) show(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show [HOST...]", Short: "Show certificates; exits 1 if one cannot be used, or soon not any more",
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if c.within < 0 {
				return usage(fmt.Errorf("--expiring %d is negative", c.within))
			}
			d, err := pki.OpenDirectory(c.dir)
			if err != nil {
				return c.explain(err)
			}
			shown := []pki.Holder{d.Authority()}
			if len(hosts) == 0 {
				holders, err := d.Holders()
				if err != nil {
					return err
				}
				shown = append(shown, holders...)
			}
			for _, host := range hosts {
				h, err := d.Holder(host)
				if err != nil {
					return c.explain(err)
				}
				shown = append(shown, h)
			}
			bad := false
			for i, h := range shown {
				if left := time.Until(h.Until); h.Problem == "" && left < time.Duration(c.within)*day {
					shown[i].Problem = fmt.Sprintf("expires in %d days", int(left/day))
				}
				bad = bad || shown[i].Problem != ""
			}
			if err := s.printCerts(cmd.OutOrStdout(), shown); err != nil {
				return err
			}
			if bad {
				return exitError(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&c.within, "expiring", 0, "complain of certificates that end within so many `days`")
	addOutput(cmd, s)
	return cmd
}

func (s *settings) printCerts(w io.Writer, holders []pki.Holder) error {
	if s.forPrograms() {
		return s.print(w, holders)
	}
	rows := [][]string{{"HOST", "NAMES", "ADDRESSES", "ROLES", "VALID UNTIL", "PROBLEM"}}
	for _, h := range holders {
		host := h.Host
		if host == "" {
			host = "(authority)"
		}
		var addresses []string
		for _, a := range h.Addresses {
			addresses = append(addresses, a.String())
		}
		until := ""
		if !h.Until.IsZero() {
			until = h.Until.Format("2006-01-02 15:04 UTC")
		}
		rows = append(rows, []string{host, strings.Join(h.Names, ","), strings.Join(addresses, ","), strings.Join(h.Roles, ","), until, h.Problem})
	}
	return table(w, rows)
}

// explain adds what can be done about an error, and the kind that chooses the
// exit code.
func (c *certs) explain(err error) error {
	switch {
	case errors.Is(err, pki.ErrNoAuthority):
		return advise(lab.ErrNotFound, err, "make one with: leptonctl certs init --dir "+c.dir)
	case errors.Is(err, pki.ErrNoHolder):
		return advise(lab.ErrNotFound, err, "see: leptonctl certs show --dir "+c.dir)
	case errors.Is(err, pki.ErrHolderExists):
		return advise(lab.ErrExists, err, "make it anew with: leptonctl certs renew --dir "+c.dir+" HOST")
	case errors.Is(err, fs.ErrExist):
		return advise(lab.ErrExists, err, "an authority is never replaced")
	case errors.Is(err, pki.ErrName):
		return usage(err)
	case errors.Is(err, fs.ErrPermission):
		return advise(lab.ErrRoot, err, "try again as root")
	}
	return err
}
