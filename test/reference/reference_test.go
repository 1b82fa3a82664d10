package reference

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	agent "github.com/lepton-sdn/lepton/agent/config"
	controller "github.com/lepton-sdn/lepton/controller/config"
)

var update = flag.Bool("update", false, "write docs/configuration.md and docs/metrics.md")

const top = "../.."

// defaults gives the configurations that empty files mean, without what follows
// from the machine.
func defaults(t *testing.T) (*controller.Config, *agent.Config) {
	t.Helper()
	c, err := controller.Load("")
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.Load("")
	if err != nil {
		t.Fatal(err)
	}
	a.Host = ""
	return c, a
}

func TestThePageShowsTheConfigurationAsItIs(t *testing.T) {
	c, a := defaults(t)
	page, err := Page(top, []Section{
		{"lepton-controller", "`lepton-controller --config FILE`; the service's file is `/etc/lepton/controller.yaml`.", c},
		{"lepton-agent", "`lepton-agent --config FILE`; the service's file is `/etc/lepton/agent.yaml`.", a},
	})
	if err != nil {
		t.Fatal(err)
	}
	isAs(t, "docs/configuration.md", page)
	for _, m := range regexp.MustCompile("(?m)^\\| `(.*)` \\|.*\\|  \\|$").FindAllStringSubmatch(page, -1) {
		t.Errorf("nothing says what %s means", m[1])
	}
}

func TestThePageShowsTheMetricsAsTheyAre(t *testing.T) {
	page, err := MetricsPage(top)
	if err != nil {
		t.Fatal(err)
	}
	isAs(t, "docs/metrics.md", page)
}

// isAs compares a page with what it should be, or writes it.
func isAs(t *testing.T, name, page string) {
	t.Helper()
	path := filepath.Join(top, name)
	if *update {
		if err := write(path, page); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page {
		t.Errorf("%s is not as the code: make docs writes it anew", path)
	}
}

// The installed files show the defaults in comments: with these taken out, they
// must say the same as empty files.
func TestTheInstalledFilesShowTheDefaults(t *testing.T) {
	wantController, wantAgent := defaults(t)
	comment := regexp.MustCompile(`(?m)^#((?:  )?[a-z_0-9]+:)`)
	load := func(name string) string {
		b, err := os.ReadFile(filepath.Join(top, "packaging/etc", name))
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), name)
		if err := write(out, comment.ReplaceAllString(string(b), "$1")); err != nil {
			t.Fatal(err)
		}
		return out
	}
	c, err := controller.Load(load("controller.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprintf("%+v", c), fmt.Sprintf("%+v", wantController); got != want {
		t.Errorf("controller.yaml shows\n%s\nwant\n%s", got, want)
	}
	a, err := agent.Load(load("agent.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a.Host = ""
	if got, want := fmt.Sprintf("%+v", a), fmt.Sprintf("%+v", wantAgent); got != want {
		t.Errorf("agent.yaml shows\n%s\nwant\n%s", got, want)
	}
}
