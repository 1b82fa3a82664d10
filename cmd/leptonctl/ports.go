package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

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
			if s.forPrograms() {
				return s.print(cmd.OutOrStdout(), ports)
			}
			return printPorts(cmd.OutOrStdout(), ports)
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

func printPorts(w io.Writer, ports []wiredPort) error {
	if len(ports) == 0 {
		_, err := fmt.Fprintln(w, "no such ports")
		return err
	}
	rows := [][]string{{"PORT", "NAME", "NETWORK", "FIXED IPS", "MAC", "HOST", "STATE", "WIRED", "WHY"}}
	for _, p := range ports {
		host, network := "", p.NetworkName
		if p.Host != nil {
			host = *p.Host
		}
		if network == "" {
			network = p.NetworkID
		}
		rows = append(rows, []string{p.ID, p.Name, network, strings.Join(p.FixedIPs, ","), p.MAC, host, p.State, yesNo(p.Wired), p.Text})
	}
	return table(w, rows)
}
