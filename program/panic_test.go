package program

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/zap"
)

// A daemon that panics must not end as one that has a bad configuration does: the
// service manager would leave it so.
func TestADaemonThatPanicsDiesByASignal(t *testing.T) {
	const variable = "LEPTON_TEST_PANIC"
	if os.Getenv(variable) != "" {
		os.Args = []string{"lepton-test"}
		d := daemon(nil, nil)
		d.Run = func(context.Context, string, *zap.Logger, func()) error { panic("no space left on device") }
		os.Exit(d.Main())
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), variable+"=1")
	cmd.Dir = t.TempDir() // where a core would go
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("it ended with %v:\n%s", err, out)
	}
	if st := exit.Sys().(syscall.WaitStatus); !st.Signaled() || st.Signal() != syscall.SIGABRT {
		t.Errorf("it ended with %v:\n%s", err, out)
	}
	if !strings.Contains(string(out), "panic: no space left on device") {
		t.Errorf("it says:\n%s", out)
	}
}
