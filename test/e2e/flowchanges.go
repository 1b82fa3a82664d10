package e2e

import (
	"context"
	"fmt"
	"strings"
)

// FlowChanges watches a bridge with the switch's own flow monitor and gives
// the function that ends that and lists the changes it saw.
func (c *Cloud) FlowChanges(host, bridge string) func() []string {
	c.Helper()
	p, err := c.Lab.Place(host)
	c.Must(err)
	ctx, cancel := context.WithCancel(c.Context())
	cmd := p.Command(ctx, "ovs-ofctl", "monitor", bridge, "watch:")
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		cancel()
		c.Fatal(err)
	}
	// The monitor begins with the flows that are there, in answer to its own
	// request; changes come later, without one.
	c.Eventually("the flow monitor of "+bridge+" listens", func() error {
		if !strings.Contains(out.String(), "event=ADDED") {
			return fmt.Errorf("it says %q", out.String())
		}
		return nil
	})
	return func() []string {
		cancel()
		_ = cmd.Wait() // killed by us
		_, after, _ := strings.Cut(out.String(), "(xid=0x0):")
		var changes []string
		for l := range strings.Lines(after) {
			if strings.Contains(l, "event=") {
				changes = append(changes, strings.TrimSpace(l))
			}
		}
		return changes
	}
}
