package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/lab"
)

// wiredPort is a port of extension lepton-status.
type wiredPort struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	NetworkID   string   `json:"network_id"`
	NetworkName string   `json:"network_name"`
	FixedIPs    []string `json:"fixed_ips"`
	MAC         string   `json:"mac_address"`
	Host        *string  `json:"host"`
	DeviceOwner string   `json:"device_owner"`
	// State is what the port's host says of it, Reason and Text why it is not
	// wired.
	State  string  `json:"state"`
	Wired  bool    `json:"wired"`
	Reason *string `json:"reason"`
	Text   string  `json:"text"`
}

// choosing are the flags of ports.
type choosing struct {
	host, network string
	notWired      bool
}

func newPorts(s *settings) *cobra.Command {
	var c choosing
	cmd := &cobra.Command{
		Use: "ports", Short: "Show ports, whether their hosts have wired them, and why not",
		Long: `ports lists ports with what their hosts made of them. With --not-wired those
only that should be wired and are not: bound to a host and switched on.`,
		Example: `  leptonctl ports --not-wired
  leptonctl ports --host hv1 --network web -o json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			ports, err := c.read(cmd.Context(), api, cmd.ErrOrStderr())
			if err != nil {
				return s.failed("list ports", err)
			}
			if err := c.misnamed(cmd.Context(), api, len(ports)); err != nil {
				return s.failed("list ports", err)
			}
			if s.forPrograms() {
				return s.print(cmd.OutOrStdout(), ports)
			}
			return c.print(cmd.OutOrStdout(), ports)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.host, "host", "", "those of this `host`")
	f.StringVar(&c.network, "network", "", "those of this `network`, by name or id")
	f.BoolVar(&c.notWired, "not-wired", false, "those that should be wired and are not")
	addOutput(cmd, s)
	return cmd
}

// read fetches all pages; from the second one on it shows how far it has come.
func (c *choosing) read(ctx context.Context, api *lab.API, progress io.Writer) ([]wiredPort, error) {
	q := url.Values{}
	for name, value := range map[string]string{"host": c.host, "network": c.network} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if c.notWired {
		q.Set("not_wired", "true")
	}
	all := []wiredPort{}
	for {
		var answer struct {
			Status struct {
				Ports []wiredPort `json:"ports"`
				Next  string      `json:"next_marker"`
			} `json:"lepton_status"`
		}
		if err := api.Call(ctx, http.MethodGet, "/v2.0/lepton-status/ports?"+q.Encode(), nil, &answer); err != nil {
			return nil, err
		}
		all = append(all, answer.Status.Ports...)
		if answer.Status.Next == "" {
			return all, nil
		}
		fmt.Fprintf(progress, "leptonctl: %d ports so far\n", len(all))
		q.Set("marker", answer.Status.Next)
	}
}

// misnamed is the error about a host or a network that is not there, once no port
// was found: none that is not wired is good news only of one that is.
func (c *choosing) misnamed(ctx context.Context, api *lab.API, found int) error {
	if found > 0 {
		return nil
	}
	there := func(path string, filters ...string) (bool, error) {
		for _, filter := range filters {
			var answer map[string][]struct{}
			if err := api.Call(ctx, http.MethodGet, "/v2.0/"+path+"?fields=id&"+filter, nil, &answer); err != nil || len(answer[path]) > 0 {
				return true, err
			}
		}
		return false, nil
	}
	if c.host != "" {
		if ok, err := there("agents", "host="+url.QueryEscape(c.host)); err != nil || !ok {
			return cmp.Or(err, advise(lab.ErrNotFound, fmt.Errorf("list ports: no host is called %q", c.host), "leptonctl agents shows them"))
		}
	}
	if c.network != "" {
		name := url.QueryEscape(c.network)
		if ok, err := there("networks", "id="+name, "name="+name); err != nil || !ok {
			return cmp.Or(err, advise(lab.ErrNotFound, fmt.Errorf("list ports: no network has the name or the id %q", c.network), "openstack network list shows them"))
		}
	}
	return nil
}

func (c *choosing) print(w io.Writer, ports []wiredPort) error {
	if len(ports) == 0 {
		text := "no such ports"
		if c.notWired {
			text = "all ports that should be wired are"
		}
		_, err := fmt.Fprintln(w, text)
		return err
	}
	rows := [][]string{{"PORT", "NAME", "NETWORK", "FIXED IPS", "HOST", "STATE", "WIRED", "WHY"}}
	for _, p := range ports {
		host, network := "", p.NetworkName
		if p.Host != nil {
			host = *p.Host
		}
		if network == "" {
			network = p.NetworkID
		}
		first := ""
		if len(p.FixedIPs) > 0 {
			first = p.FixedIPs[0]
		}
		rows = append(rows, []string{p.ID, p.Name, network, first, host, p.State, yesNo(p.Wired), p.Text})
		for _, ip := range p.FixedIPs[min(1, len(p.FixedIPs)):] {
			rows = append(rows, []string{" ", " ", " ", ip, " ", " ", " ", " "})
		}
	}
	return table(w, rows)
}
