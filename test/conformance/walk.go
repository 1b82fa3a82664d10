package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/lepton-sdn/lepton/test/walk"
)

// administrator is what tells a client where the cloud is, and who comes.
func (c *cloud) administrator() []string {
	return []string{
		"OS_AUTH_URL=http://" + c.Keystone + "/v3", "OS_REGION_NAME=" + c.Region, "OS_IDENTITY_API_VERSION=3",
		"OS_USERNAME=" + c.User, "OS_PASSWORD=" + c.Password, "OS_PROJECT_NAME=" + c.Project,
		"OS_USER_DOMAIN_NAME=" + c.Domain, "OS_PROJECT_DOMAIN_NAME=" + c.Domain,
	}
}

// walk types all chapters of the stock client's walk as the administrator, then
// those that only a whole cloud has. They leave nothing behind.
func (c *cloud) walk(ctx context.Context) (report, error) {
	var r report
	project, err := tokens.Get(ctx, c.identity, c.identity.Token()).ExtractProject()
	if err != nil {
		return r, fmt.Errorf("ask for the administrator's project: %w", err)
	}
	cmd := exec.CommandContext(ctx, walk.Client)
	cmd.Dir = c.Dir
	cmd.Env = append(append(environment(c.Dir), walk.Environment...), c.administrator()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	session, err := walk.Open(cmd, cmd.Start, map[string]string{"api": "http://" + c.API, "project": project.ID})
	if err != nil {
		return r, err
	}
	defer session.Close()
	for _, chapter := range append(walk.Chapters(), walk.CloudChapters()...) {
		name := "openstack." + strings.ReplaceAll(chapter.Name, " ", "_")
		wrong, err := session.Walk(chapter.Steps)
		if err != nil {
			return r, fmt.Errorf("walk through %s: %w", chapter.Name, err)
		}
		if len(wrong) == 0 {
			r.passed = append(r.passed, name)
		}
		for _, w := range wrong {
			r.failed = append(r.failed, outcome{name, cause(w)})
		}
	}
	return r, nil
}
