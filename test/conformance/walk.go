package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"

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
// those that only a whole cloud has, and at last what a member of a project
// types. They leave nothing behind but that project.
func (c *cloud) walk(ctx context.Context) (report, error) {
	project, err := tokens.Get(ctx, c.identity, c.identity.Token()).ExtractProject()
	if err != nil {
		return report{}, fmt.Errorf("ask for the administrator's project: %w", err)
	}
	names := map[string]string{"api": "http://" + c.API, "project": project.ID}
	r, err := c.walkAs(ctx, c.administrator(), names, append(walk.Chapters(), walk.CloudChapters()...))
	if err != nil {
		return r, err
	}
	member, err := c.makeMember(ctx, "members", "member")
	if err != nil {
		return r, err
	}
	hidden, err := networks.Create(ctx, c.network, networks.CreateOpts{Name: "hidden"}).Extract()
	if err != nil {
		return r, fmt.Errorf("make a network to hide: %w", err)
	}
	names["hidden"] = hidden.ID
	own, err := c.walkAs(ctx, member, names, []walk.Chapter{walk.MemberChapter()})
	return r.with(own), errors.Join(err, networks.Delete(ctx, c.network, hidden.ID).ExtractErr())
}

// makeMember makes a project with a member and gives what tells a client so.
func (c *cloud) makeMember(ctx context.Context, in, name string) ([]string, error) {
	project, err1 := projects.Create(ctx, c.identity, projects.CreateOpts{Name: in}).Extract()
	user, err2 := users.Create(ctx, c.identity, users.CreateOpts{Name: name, Password: c.Password, DefaultProjectID: projectID(project)}).Extract()
	pages, err3 := roles.List(c.identity, roles.ListOpts{Name: "member"}).AllPages(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("make a member: %w", err)
	}
	found, err := roles.ExtractRoles(pages)
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("find the role of members: %v, %w", found, err)
	}
	if err := roles.Assign(ctx, c.identity, found[0].ID, roles.AssignOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr(); err != nil {
		return nil, fmt.Errorf("make a member: %w", err)
	}
	return append(c.administrator(), "OS_USERNAME="+name, "OS_PROJECT_NAME="+in), nil
}

// projectID is empty when there is no project.
func projectID(p *projects.Project) string {
	if p == nil {
		return ""
	}
	return p.ID
}

// walkAs types chapters in a session of its own.
func (c *cloud) walkAs(ctx context.Context, who []string, names map[string]string, chapters []walk.Chapter) (report, error) {
	var r report
	cmd := exec.CommandContext(ctx, walk.Client)
	cmd.Dir = c.Dir
	cmd.Env = append(append(environment(c.Dir), walk.Environment...), who...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	session, err := walk.Open(cmd, cmd.Start, names)
	if err != nil {
		return r, err
	}
	defer session.Close()
	for _, chapter := range chapters {
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
