// Package unixctl asks Open vSwitch's daemons over their control sockets, as
// ovs-appctl does: for what neither the database nor OpenFlow tells. The
// protocol is JSON-RPC 1.0 with one request for each connection (ovs-appctl(8)).
package unixctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 128 << 20

// Socket gives the path of a daemon's control socket in the run directory:
// that of the process that its pid file names, or one without a number.
func Socket(runDir, daemon string) (string, error) {
	candidates := []string{filepath.Join(runDir, daemon+".ctl")}
	if pid, err := os.ReadFile(filepath.Join(runDir, daemon+".pid")); err == nil {
		candidates = append([]string{filepath.Join(runDir, daemon+"."+strings.TrimSpace(string(pid))+".ctl")}, candidates...)
	}
	for _, path := range candidates {
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case errors.Is(err, os.ErrPermission):
			return "", fmt.Errorf("find the control socket of %s: %w", daemon, err)
		}
	}
	return "", fmt.Errorf("no control socket of %s in %s", daemon, runDir)
}

// Call has the daemon behind a control socket execute a command and gives what
// it answers. It waits until ctx is done.
func Call(ctx context.Context, socket, command string, args ...string) (string, error) {
	text, err := call(ctx, socket, command, args)
	if err != nil {
		return "", fmt.Errorf("call %s: %w", command, err)
	}
	return text, nil
}

func call(ctx context.Context, socket, command string, args []string) (string, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	// A deadline in the past wakes up who reads or writes.
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := map[string]any{"id": 0, "method": command, "params": append([]string{}, args...)}
	if err := json.NewEncoder(nc).Encode(request); err != nil {
		return "", errors.Join(ctx.Err(), err)
	}
	text, err := readAnswer(nc)
	if err != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return text, err
}

// readAnswer reads what the daemon answers.
func readAnswer(r io.Reader) (string, error) {
	var answer struct {
		Result *string `json:"result"`
		Error  *string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	switch {
	case answer.Error != nil:
		return "", errors.New(strings.TrimSpace(*answer.Error))
	case answer.Result == nil:
		return "", errors.New("the answer has neither result nor error")
	}
	return *answer.Result, nil
}
