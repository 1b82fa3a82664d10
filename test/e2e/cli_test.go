package e2e

import (
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/test/walk"
)

func TestTheStockClientWorks(t *testing.T) {
	t.Parallel()
	c := Start(t, "three-node")
	place, err := c.Lab.Place("net1")
	c.Must(err)
	// A host's environment has OS_AUTH_TYPE and OS_ENDPOINT.
	cmd := place.Command(t.Context(), walk.Client)
	cmd.Env = append(cmd.Env, walk.Environment...)
	session, err := walk.Open(cmd.Cmd, cmd.Start, map[string]string{"api": "http://127.0.0.1:9696", "project": "fake_project_id"})
	c.Must(err)
	defer session.Close()
	for _, chapter := range walk.Chapters() {
		t.Run(chapter.Name, func(t *testing.T) {
			wrong, err := session.Walk(chapter.Steps)
			for _, w := range wrong {
				t.Error(w)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("single commands end with exit codes", func(t *testing.T) {
		c := c.in(t)
		single := []string{walk.Client, "--os-auth-type", "none", "--os-endpoint", "http://127.0.0.1:9696"}
		if out := c.Exec("net1", append(single, "network", "create", "one", "-f", "value", "-c", "mtu")...); strings.TrimSpace(out) != "1450" {
			t.Errorf("network create says %q", out)
		}
		_, err = place.Exec(t.Context(), append(single, "network", "show", "two")...)
		if code, _ := lab.ExitCode(err); code != 1 || !strings.Contains(err.Error(), "No Network found for two") {
			t.Errorf("network show of what is not there: %v", err)
		}
	})
}
