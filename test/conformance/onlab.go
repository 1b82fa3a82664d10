package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// onLab are hosts of a lab, with links and Open vSwitch, where commands of pages
// are typed. Their systemctl knows the units that were written for each host.
type onLab struct {
	*cloud
	lab *lab.Lab
	dir string
	// also is what a host's commands get in their environment besides.
	also []string
}

// labOf builds a lab for the part of that name.
func (c *cloud) labOf(ctx context.Context, part, topology string) (*onLab, error) {
	t, err := lab.ParseTopology(part+".yaml", []byte(topology))
	if err != nil {
		return nil, err
	}
	o := &onLab{cloud: c, dir: filepath.Join(c.Dir, part)}
	if o.lab, err = lab.Up(ctx, t, lab.Options{Name: part[:3] + "-" + strings.ToLower(rand.Text()[:6]), Dir: o.dir, Bare: true}); err != nil {
		return nil, err
	}
	stand, err := files.ReadFile("files/systemctl")
	if err == nil {
		err = o.program("systemctl", string(stand))
	}
	if err != nil {
		return nil, errors.Join(err, o.down())
	}
	return o, nil
}

// program puts a program before all others of that name.
func (o *onLab) program(name, text string) error {
	if err := os.MkdirAll(filepath.Join(o.dir, "bin"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.dir, "bin", name), []byte(text), 0o755)
}

// units is where a host's units and their logs are.
func (o *onLab) units(host string) string { return filepath.Join(o.dir, "units", host) }

// unit writes what a host's unit runs.
func (o *onLab) unit(host, name, commands string) error {
	if err := os.MkdirAll(o.units(host), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(o.units(host), name), []byte(commands), 0o600)
}

// enter types commands on a host.
func (o *onLab) enter(ctx context.Context, host, commands string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	at, err := o.lab.Place(host)
	if err != nil {
		return "", err
	}
	cmd := at.Command(ctx, "/bin/sh", "-exc", commands)
	cmd.Dir = o.dir
	own := slices.DeleteFunc(slices.Clone(cmd.Env), func(v string) bool {
		return !strings.HasPrefix(v, "LEPTON_") && !strings.HasPrefix(v, "OVS_") && !strings.HasPrefix(v, "OS_")
	})
	path := filepath.Join(o.dir, "bin") + ":" + o.bin + ":/usr/sbin:/usr/bin:/sbin:/bin"
	cmd.Env = slices.Concat(own, environment(o.dir), []string{"PATH=" + path, "UNITS=" + o.units(host)}, o.also)
	out, err := cmd.Run()
	return out, errors.Join(err, appendFile(filepath.Join(o.dir, "typed.log"), "# "+host+"\n"+out))
}

// enterAll types commands on several hosts at a time. Each has its own /run/lepton.
func (o *onLab) enterAll(ctx context.Context, hosts []string, commands string) error {
	errs := make(chan error, len(hosts))
	for _, h := range o.lab.Plan().Hosts {
		if !slices.Contains(hosts, h.Name) {
			continue
		}
		go func() {
			_, err := o.enter(ctx, h.Name, strings.ReplaceAll(commands, "/run/lepton", filepath.Join(h.Dir, "run")))
			errs <- err
		}()
	}
	var all []error
	for range hosts {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Close()
}

// down takes the lab away, with all that runs there.
func (o *onLab) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// Programs that change their own title are not known by the lab any more.
	pids, _ := filepath.Glob(filepath.Join(o.dir, "units", "*", "*.pid"))
	for _, file := range pids {
		b, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // its session, see files/systemctl
		}
	}
	if err := o.lab.Down(ctx); err != nil {
		return fmt.Errorf("take down the lab: %w", err)
	}
	return nil
}
