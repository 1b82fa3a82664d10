package program

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// daemon is one that ends by itself.
func daemon(loadErr, runErr error) Daemon[string] {
	return Daemon[string]{
		Name: "lepton-test", Version: "1.2", NoFile: "without it: nothing",
		Load:     func(path string) (string, error) { return path, loadErr },
		LogLevel: func(string) string { return "error" },
		Run: func(_ context.Context, _ string, _ *zap.Logger, ready func()) error {
			ready()
			return runErr
		},
		Ready: func(cfg string) string { return "file " + cfg },
	}
}

func TestExitCodesAndOutput(t *testing.T) {
	for _, tc := range []struct {
		name            string
		args            []string
		loadErr, runErr error
		code            int
		stdout, stderr  string
	}{
		{name: "a run that ends well", args: []string{"--config", "f.yaml"}, code: 0, stdout: "lepton-test 1.2 ready: file f.yaml\n"},
		{name: "the version", args: []string{"--version"}, code: 0, stdout: "lepton-test 1.2\n"},
		{name: "help", args: []string{"--help"}, code: 0, stderr: "without it: nothing"},
		{name: "a check of the configuration", args: []string{"--check"}, code: 0, runErr: errors.New("ran"), stdout: "lepton-test: the configuration can be used\n"},
		{name: "a check that fails", args: []string{"--check"}, loadErr: errors.New("f.yaml:3: unknown key"), code: 2, stderr: "f.yaml:3"},
		{name: "an unknown flag", args: []string{"--conf", "x"}, code: 2, stderr: "-conf"},
		{name: "an argument too many", args: []string{"start"}, code: 2, stderr: `unexpected argument "start"`},
		{name: "a bad configuration", loadErr: errors.New("f.yaml:3: unknown key"), code: 2, stderr: "lepton-test: f.yaml:3: unknown key\n"},
		{name: "a run that fails", runErr: errors.New("no store"), code: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if got := daemon(tc.loadErr, tc.runErr).main(tc.args, &stdout, &stderr); got != tc.code {
				t.Errorf("exit code %d, want %d", got, tc.code)
			}
			if tc.stdout != "" && stdout.String() != tc.stdout {
				t.Errorf("stdout %q, want %q", stdout.String(), tc.stdout)
			}
			if !strings.Contains(stderr.String(), tc.stderr) {
				t.Errorf("stderr %q, want %q in it", stderr.String(), tc.stderr)
			}
		})
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	d := daemon(nil, nil)
	d.Run = func(ctx context.Context, _ string, _ *zap.Logger, ready func()) error {
		ready()
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	if code := d.main([]string{"--config", "f"}, io.Discard, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"READY=1\nSTATUS=file f", "STOPPING=1"} {
		b := make([]byte, 256)
		n, err := conn.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Errorf("told %q (%v), want %q", b[:n], err, want)
		}
	}
}
