package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/inspect"
)

// cloudStatus is what extension lepton-status says.
type cloudStatus struct {
	// Current is false when the store does not answer: then the rest is what the
	// controller saw last.
	Current     bool `json:"current"`
	Controllers []struct {
		Name    string    `json:"name"`
		Version string    `json:"version"`
		Alive   bool      `json:"alive"`
		Silent  int       `json:"silent_seconds"`
		Started time.Time `json:"started_at"`
		API     string    `json:"api"`
		RPC     string    `json:"rpc"`
		Duties  []string  `json:"duties"`
		Answers bool      `json:"answers"`
	} `json:"controllers"`
	Store struct {
		Kind     string        `json:"kind"`
		Healthy  bool          `json:"healthy"`
		Error    string        `json:"error"`
		Revision int64         `json:"revision"`
		Members  []storeMember `json:"members"`
	} `json:"store"`
	Agents []cloudAgent `json:"agents"`
	Ports  struct {
		Total    int         `json:"total"`
		Bound    int         `json:"bound"`
		NotWired int         `json:"not_wired"`
		First    []wiredPort `json:"first_not_wired"`
	} `json:"ports"`
}

type storeMember struct {
	Name      string   `json:"name"`
	Endpoints []string `json:"endpoints"`
	Leader    bool     `json:"leader"`
	Version   string   `json:"version"`
	Size      int64    `json:"size"`
	InUse     int64    `json:"size_in_use"`
	Revision  int64    `json:"revision"`
	Error     string   `json:"error"`
}

type cloudAgent struct {
	Host        string    `json:"host"`
	Roles       []string  `json:"roles"`
	Version     string    `json:"version"`
	Alive       bool      `json:"alive"`
	HeartbeatAt time.Time `json:"heartbeat_at"`
	Up          bool      `json:"admin_state_up"`
	InSync      bool      `json:"in_sync"`
	Devices     int       `json:"devices"`
	Behind      int       `json:"ports_behind"`
	Problems    []string  `json:"problems"`
}

// complaints are what is not as it should be, a sentence each.
func (c *cloudStatus) complaints() []string {
	var out []string
	if !c.Current {
		out = append(out, "the store does not answer: all of this is what the controller saw last")
	}
	for _, x := range c.Controllers {
		if !x.Alive {
			out = append(out, fmt.Sprintf("controller %s has been silent for %s", x.Name, time.Duration(x.Silent)*time.Second))
		}
	}
	if c.Store.Error != "" {
		out = append(out, "store: "+c.Store.Error)
	}
	for _, m := range c.Store.Members {
		if m.Error != "" {
			out = append(out, fmt.Sprintf("store member %s: %s", strings.TrimSpace(m.Name+" "+strings.Join(m.Endpoints, ",")), m.Error))
		}
	}
	for _, a := range c.Agents {
		switch {
		case !a.Alive:
			out = append(out, fmt.Sprintf("agent of %s: no heartbeat since %s", a.Host, a.HeartbeatAt.Format(time.RFC3339)))
		case !a.InSync:
			out = append(out, fmt.Sprintf("agent of %s: the host is not in sync", a.Host))
		case a.Behind > 0:
			out = append(out, fmt.Sprintf("agent of %s: %d ports are not realised as they are now", a.Host, a.Behind))
		}
		for _, p := range a.Problems {
			out = append(out, fmt.Sprintf("agent of %s: %s", a.Host, p))
		}
	}
	for _, p := range c.Ports.First {
		host := ""
		if p.Host != nil {
			host = " on " + *p.Host
		}
		out = append(out, fmt.Sprintf("port %s%s %s", p.ID, host, p.Text))
	}
	if more := c.Ports.NotWired - len(c.Ports.First); more > 0 {
		out = append(out, fmt.Sprintf("%d more ports are not wired: leptonctl ports --not-wired", more))
	}
	return out
}

func newCloudStatus(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use: "status", Short: "Show controllers, store, agents, and ports that are not wired; exits 8 if something is wrong",
		Long: `status shows on one screen how the cloud is: which controllers live and what
they do for all, the store and its members, the agents of the hosts, and the
ports that should be wired and are not, with the reason. What is not as it
should be is listed at the end; then the exit code is 8.

The state of a lab's programs is shown by leptonctl lab status.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			var answer struct {
				Status cloudStatus `json:"lepton_status"`
			}
			if err := api.Call(cmd.Context(), http.MethodGet, "/v2.0/lepton-status", nil, &answer); err != nil {
				return s.failed("ask for the status", err)
			}
			if s.forPrograms() {
				err = s.print(cmd.OutOrStdout(), answer.Status)
			} else {
				err = printCloud(cmd.OutOrStdout(), &answer.Status)
			}
			if err == nil && len(answer.Status.complaints()) > 0 {
				return exitError(exitUnwell)
			}
			return err
		},
	}
	addOutput(cmd, s)
	return cmd
}

func printCloud(w io.Writer, c *cloudStatus) error {
	controllers := [][]string{{"CONTROLLER", "ALIVE", "VERSION", "API", "SINCE", "DUTIES"}}
	for _, x := range c.Controllers {
		name := x.Name
		if x.Answers {
			name += " (answers)"
		}
		controllers = append(controllers, []string{
			name, yesNo(x.Alive), x.Version, x.API, x.Started.Format("2006-01-02 15:04"), strings.Join(x.Duties, ","),
		})
	}
	members := [][]string{{"STORE", "HEALTHY", "LEADER", "VERSION", "SIZE", "IN USE", "REVISION"}}
	for _, m := range c.Store.Members {
		members = append(members, []string{
			strings.TrimSpace(c.Store.Kind + " " + m.Name), yesNo(m.Error == ""), yesNo(m.Leader), m.Version,
			megabytes(m.Size), megabytes(m.InUse), strconv.FormatInt(m.Revision, 10),
		})
	}
	agents := [][]string{{"HOST", "ROLES", "ALIVE", "IN SYNC", "VERSION", "DEVICES", "BEHIND", "PROBLEMS"}}
	for _, a := range c.Agents {
		inSync := "" // what a silent one said last is no longer known to be so
		if a.Alive {
			inSync = yesNo(a.InSync)
		}
		agents = append(agents, []string{
			a.Host, strings.Join(a.Roles, ","), yesNo(a.Alive), inSync, a.Version, strconv.Itoa(a.Devices), strconv.Itoa(a.Behind), strconv.Itoa(len(a.Problems)),
		})
	}
	err := firstOf(table(w, controllers), blank(w), table(w, members), blank(w), table(w, agents))
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d ports, %d of them bound to hosts, %d not wired\n", c.Ports.Total, c.Ports.Bound, c.Ports.NotWired)
	complaints := c.complaints()
	if len(complaints) == 0 {
		_, err = fmt.Fprintln(w, "all is well")
		return err
	}
	fmt.Fprintln(w)
	for _, text := range complaints {
		if _, err := fmt.Fprintln(w, inspect.Plain(text)); err != nil {
			return err
		}
	}
	return nil
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
