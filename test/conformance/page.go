package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The pages whose commands and files are used as they stand there.
const (
	openstackPage = "docs/openstack.md"
	movingPage    = "docs/moving-from-neutron.md"
	installPage   = "docs/install.md"
)

// documentedAPI is where the pages have Lepton's API.
const documentedAPI = "https://ctl1:9696"

// block is a fenced block of a page.
type block struct {
	mark string // what stands behind the fence: a language, and whose it is
	text string
}

// pageBlocks gives all blocks of a page, those in lists too, in their order.
func pageBlocks(page string) ([]block, error) {
	b, err := os.ReadFile(page)
	if err != nil {
		return nil, fmt.Errorf("read what is documented: %w", err)
	}
	var all []block
	var in *block
	indent := ""
	for line := range strings.Lines(string(b)) {
		bare := strings.TrimLeft(line, " ")
		switch {
		case in == nil && strings.HasPrefix(bare, "```"):
			indent = line[:len(line)-len(bare)]
			in = &block{mark: strings.TrimSpace(strings.TrimPrefix(bare, "```"))}
		case in != nil && strings.TrimSpace(line) == "```":
			all = append(all, *in)
			in = nil
		case in != nil:
			in.text += strings.TrimPrefix(line, indent)
		}
	}
	if in != nil {
		return nil, fmt.Errorf("%s: block %q does not end", page, in.mark)
	}
	return all, nil
}

// marked gives the texts of a page's blocks with the mark, of which there is one
// at least.
func marked(page, mark string) ([]string, error) {
	all, err := pageBlocks(page)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, b := range all {
		if b.mark == mark {
			out = append(out, b.text)
		}
	}
	if out == nil {
		return nil, fmt.Errorf("%s has no block %q", page, mark)
	}
	return out, nil
}

// onlyMarked gives the text of the only block of a page with the mark.
func onlyMarked(page, mark string) (string, error) {
	all, err := marked(page, mark)
	if err == nil && len(all) > 1 {
		err = fmt.Errorf("%s has %d blocks %q", page, len(all), mark)
	}
	if err != nil {
		return "", err
	}
	return all[0], nil
}

// registerAsDocumented types what the page has for Keystone, with this cloud's
// address and password, as the administrator.
func (c *cloud) registerAsDocumented(ctx context.Context) error {
	all, err := marked(openstackPage, "sh keystone")
	if err != nil {
		return err
	}
	if !strings.Contains(all[0], documentedAPI) {
		return fmt.Errorf("%s does not register %s first", openstackPage, documentedAPI)
	}
	return c.enter(ctx, strings.NewReplacer(documentedAPI, "http://"+c.API, "PASSWORD", c.Password).Replace(all[0]))
}

// findAsDocumented types what the page has for those who look for Lepton.
func (c *cloud) findAsDocumented(ctx context.Context) error {
	all, err := marked(openstackPage, "sh keystone")
	if err != nil {
		return err
	}
	if len(all) < 2 {
		return errors.New(openstackPage + " has no commands that find Lepton")
	}
	for _, text := range all[1:] {
		if err := c.enter(ctx, text); err != nil {
			return err
		}
	}
	said, err := os.ReadFile(c.children.log("typed"))
	if err != nil {
		return err
	}
	for _, want := range append([]string{c.API}, "hv1", "hv2", "net1") {
		if !strings.Contains(string(said), want) {
			return fmt.Errorf("%s does not show in\n%s", want, said)
		}
	}
	return nil
}

// enter runs commands as an administrator types them.
func (c *cloud) enter(ctx context.Context, commands string) error {
	shell := &children{dir: c.Dir, env: append(environment(c.Dir), c.administrator()...)}
	return shell.do(ctx, "typed", "/bin/sh", "-exc", commands)
}
