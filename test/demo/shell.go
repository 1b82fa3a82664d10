package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// patience bounds every command.
const patience = 2 * time.Minute

// openstackPath is the stock client of the distribution, whatever else is on
// the PATH. A lab's hosts have OS_AUTH_TYPE and OS_ENDPOINT in the environment.
const openstackPath = "/usr/bin/openstack"

// shell runs commands and shows them.
type shell struct {
	screen *screen
	bin    string // where leptonctl is
	lab    string
}

// ctl runs leptonctl, shown with its output.
func (s shell) ctl(ctx context.Context, line string) (string, error) {
	s.screen.command("# ", "leptonctl "+line)
	out, err := s.quiet(ctx, "", line)
	s.screen.output(out)
	return out, err
}

// exec runs a command on a host or in a guest through leptonctl, shown with
// its output.
func (s shell) exec(ctx context.Context, place, line string) (string, error) {
	s.screen.command(place+"# ", line)
	out, err := s.on(ctx, place, line)
	s.screen.output(out)
	return out, err
}

// on runs a command on a host or in a guest without showing it.
func (s shell) on(ctx context.Context, place, line string) (string, error) {
	return s.quiet(ctx, "", fmt.Sprintf("lab exec --name %s %s -- %s", s.lab, place, line))
}

// quiet runs leptonctl and shows nothing. Words are separated by blanks.
func (s shell) quiet(ctx context.Context, stdin, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, "leptonctl"), strings.Fields(line)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "PYTHONWARNINGS=ignore")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("leptonctl %s: %w: %s", line, err, bytes.TrimSpace(problems.Bytes()))
	}
	if stdin != "" && problems.Len() > 0 {
		// The client reads commands to their end and tells of failures only here.
		return out.String(), fmt.Errorf("openstack: %s", bytes.TrimSpace(problems.Bytes()))
	}
	return out.String(), nil
}

// openstack runs commands in one session of the stock client on the
// controller's host: it takes a second to start. Where each command answers
// with one line, the line is shown below it.
func (s shell) openstack(ctx context.Context, commands ...string) error {
	out, err := s.quiet(ctx, strings.Join(commands, "\n")+"\n",
		fmt.Sprintf("lab exec --name %s net1 -- %s", s.lab, openstackPath))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	paired := len(lines) == len(commands)
	for i, c := range commands {
		s.screen.command("net1# openstack ", c)
		if paired {
			s.screen.output(lines[i])
		}
	}
	if !paired {
		s.screen.output(out)
	}
	return err
}
