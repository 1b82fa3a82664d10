package exercises

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

const (
	top      = "../.."
	patience = 3 * time.Minute // for one exercise
)

// run runs a program and gives what it printed.
func run(t *testing.T, env []string, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	// An exercise cleans up when it is asked to end.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestTheExercisesWorkOnALab(t *testing.T) {
	bin, err := filepath.Abs(filepath.Join(top, "bin"))
	if err != nil {
		t.Fatal(err)
	}
	topology, err := lab.LoadTopology("lab.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "exercises") // names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("x%d", os.Getpid())
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Cleanup(func() {
		if err := lab.Down(context.Background(), name, dir); err != nil {
			t.Errorf("lab down: %v", err)
		}
	})
	if _, err := lab.Up(t.Context(), topology, lab.Options{Name: name, Dir: dir, BinDir: bin}); err != nil {
		t.Fatal(err)
	}
	env := []string{"CLOUD=lab", "LAB_DIR=" + dir, "LAB_NAME=" + name, "LEPTONCTL=" + filepath.Join(bin, "leptonctl"), "PYTHONWARNINGS=ignore"}
	scripts, err := filepath.Glob(filepath.Join(top, "vagrant/exercises/[0-9]*.sh"))
	if err != nil || len(scripts) < 7 {
		t.Fatalf("exercises: %v, %v", scripts, err)
	}
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".sh"), func(t *testing.T) {
			out, err := run(t, env, "/bin/bash", script)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Log(out)
		})
	}
	left, err := run(t, env, filepath.Join(bin, "leptonctl"), "lab", "exec", "--dir", dir, "--name", name, "net1", "--", "openstack", "network", "list", "-f", "value")
	if err != nil || strings.TrimSpace(left) != "" {
		t.Errorf("the exercises left networks: %v\n%s", err, left)
	}
}

func TestTheVagrantfileIsValid(t *testing.T) {
	out, err := run(t, []string{"VAGRANT_CWD=" + filepath.Join(top, "vagrant"), "VAGRANT_HOME=" + t.TempDir()},
		"vagrant", "validate", "--ignore-provider")
	if err != nil {
		t.Errorf("vagrant validate: %v\n%s", err, out)
	}
}

func TestTheScriptsOfTheMachinesAreShell(t *testing.T) {
	for _, pattern := range []string{"vagrant/provision/*.sh", "vagrant/exercises/*.sh", "vagrant/exercises/lease", "vagrant/up"} {
		scripts, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil || len(scripts) == 0 {
			t.Fatalf("%s: %v, %v", pattern, scripts, err)
		}
		for _, s := range scripts {
			if out, err := run(t, nil, "/bin/bash", "-n", s); err != nil {
				t.Errorf("%s: %v\n%s", s, err, out)
			}
		}
	}
}
