package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
)

// HorizonSettings is what docs/openstack.md has Horizon set, for this Keystone.
func (c *cloud) HorizonSettings() (string, error) {
	settings, err := onlyMarked(openstackPage, "python local_settings.py")
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(settings, "https://keystone:5000", "http://"+c.Keystone), nil
}

// startHorizon serves Debian's Horizon.
func (c *cloud) startHorizon(ctx context.Context) error {
	for _, name := range []string{"horizon_settings.py", "horizon_wsgi.py", "horizon.ini"} {
		if err := c.write(name); err != nil {
			return err
		}
	}
	templates := filepath.Join(c.Dir, "templates")
	if err := os.Mkdir(templates, 0o755); err != nil {
		return fmt.Errorf("prepare Horizon: %w", err)
	}
	if err := os.WriteFile(filepath.Join(templates, "_stylesheets.html"), nil, 0o644); err != nil {
		return fmt.Errorf("prepare Horizon: %w", err)
	}
	rules := filepath.Join(c.Dir, "policy", "default_policies")
	if err := os.MkdirAll(rules, 0o755); err != nil {
		return fmt.Errorf("prepare Horizon: %w", err)
	}
	dump := &children{dir: c.Dir, env: append(c.children.env, "PYTHONPATH="+c.Dir, "DJANGO_SETTINGS_MODULE=horizon_settings")}
	if err := dump.do(ctx, "horizon-policies", "/usr/bin/python3", "-m", "django", "dump_default_policies",
		"--namespace", "neutron", "--output-file", filepath.Join(rules, "neutron.yaml")); err != nil {
		return err
	}
	p, err := c.children.start("horizon", "/usr/bin/uwsgi-core", "--ini", filepath.Join(c.Dir, "horizon.ini"))
	if err != nil {
		return err
	}
	return c.children.ready(ctx, p, func(ctx context.Context) error {
		rq, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Horizon+"/auth/login/", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(rq)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("the login page: %s", answer.Status)
		}
		return nil
	})
}

// horizon does in Horizon what users do there, as a member of a project: they
// log in, make networks, routers, groups and floating addresses by its forms,
// and look at them in its lists and in the picture of the topology.
func (c *cloud) horizon(ctx context.Context) (report, error) {
	var r report
	project, err := c.makeMember(ctx, "gazers", "gazer")
	if err != nil {
		return r, err
	}
	if err := c.startHorizon(ctx); err != nil {
		return r, err
	}
	if err := c.publish(ctx); err != nil {
		return r, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return r, err
	}
	b := &browser{c: c, ctx: ctx, client: http.Client{Jar: jar, Timeout: time.Minute}, project: project}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"users_log_in", b.login},
		{"networks_are_made_by_the_form", b.networks},
		{"routers_are_made_by_the_form", b.routers},
		{"security_groups_are_made_by_the_form", b.groups},
		{"floating_addresses_are_taken_by_the_form", b.floating},
		{"the_topology_is_shown", b.topology},
		{"networks_are_deleted_by_the_list", b.deleteNetwork},
	} {
		if err := step.do(); err != nil {
			r.failed = append(r.failed, outcome{"horizon." + step.name, strings.Join(strings.Fields(err.Error()), " ")})
			continue
		}
		r.passed = append(r.passed, "horizon."+step.name)
	}
	return r, ctx.Err()
}

// publish makes an external network, where addresses can be taken.
func (c *cloud) publish(ctx context.Context) error {
	if _, err := c.ask(ctx, http.MethodPost, c.API, "networks", `{"network": {"name": "outside", "router:external": true}}`); err != nil {
		return err
	}
	pages, err := networks.List(c.network, networks.ListOpts{Name: "outside"}).AllPages(ctx)
	if err != nil {
		return err
	}
	list, err := networks.ExtractNetworks(pages)
	if err != nil || len(list) != 1 {
		return errors.Join(err, fmt.Errorf("%d networks are called outside", len(list)))
	}
	_, err = c.ask(ctx, http.MethodPost, c.API, "subnets", `{"subnet": {"network_id": "`+list[0].ID+`", "ip_version": 4, "cidr": "192.0.2.0/24"}}`)
	return err
}

// browser is what a user of Horizon has.
type browser struct {
	c       *cloud
	ctx     context.Context
	client  http.Client
	project []string // what tells a client who comes
}

// get reads a page, following redirections.
func (b *browser) get(path string) (string, error) {
	rq, err := http.NewRequestWithContext(b.ctx, http.MethodGet, "http://"+b.c.Horizon+path, nil)
	if err != nil {
		return "", err
	}
	return b.read(rq)
}

func (b *browser) read(rq *http.Request) (string, error) {
	res, err := b.client.Do(rq)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	text := html.UnescapeString(string(page))
	if res.StatusCode != http.StatusOK {
		return text, fmt.Errorf("%s %s: %s", rq.Method, rq.URL.Path, res.Status)
	}
	if trouble := alerts(unseen.ReplaceAllString(string(page), "")); trouble != "" {
		return text, fmt.Errorf("%s %s: the page says %s", rq.Method, rq.URL.Path, html.UnescapeString(trouble))
	}
	return text, nil
}

// alert is how Horizon tells of trouble, in a page and beside a field.
var alert = regexp.MustCompile(`(?s)(?:alert-danger[^>]*>(.*?)</div>|class="errorlist[^>]*>(.*?)</ul>|help-block alert[^>]*>(.*?)</span>)`)

// unseen is what a page has for others: templates in scripts, and what browsers
// without JavaScript are told.
var unseen = regexp.MustCompile(`(?s)<noscript>.*?</noscript>|<script.*?</script>`)

func alerts(page string) string {
	m := alert.FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(m[1]+m[2]+m[3], " ")), " ")
}

var csrf = regexp.MustCompile(`name=["']csrfmiddlewaretoken["'] value=["']([^"']+)["']`)

// post opens the page of a form, and sends it filled in.
func (b *browser) post(path string, fields map[string]string) (string, error) {
	form, err := b.get(path)
	if err != nil {
		return "", err
	}
	m := csrf.FindStringSubmatch(form)
	if m == nil {
		return "", fmt.Errorf("%s has no form", path)
	}
	values := url.Values{"csrfmiddlewaretoken": {m[1]}}
	for name, value := range fields {
		values.Set(name, value)
	}
	rq, err := http.NewRequestWithContext(b.ctx, http.MethodPost, "http://"+b.c.Horizon+path, strings.NewReader(values.Encode()))
	if err != nil {
		return "", err
	}
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Referer", "http://"+b.c.Horizon+path)
	return b.read(rq)
}

// shows reads a page that has to have the texts.
func (b *browser) shows(path string, texts ...string) error {
	page, err := b.get(path)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			return fmt.Errorf("%s does not show %q", path, text)
		}
	}
	return nil
}

// one finds the object of that name in Lepton.
func (b *browser) one(plural, name string) (map[string]any, error) {
	path := strings.ReplaceAll(plural, "_", "-") + "?name=" + url.QueryEscape(name)
	answer, err := b.c.ask(b.ctx, http.MethodGet, b.c.API, path, "")
	if err != nil {
		return nil, err
	}
	list := listOf(answer[plural])
	if len(list) != 1 {
		return nil, fmt.Errorf("%d %s are called %s in Lepton", len(list), plural, name)
	}
	return list[0], nil
}

func (b *browser) login() error {
	page, err := b.post("/auth/login/", map[string]string{"username": "gazer", "password": b.c.Password, "region": "default"})
	if err != nil {
		return err
	}
	if !strings.Contains(page, "gazer") || strings.Contains(page, `name="password"`) {
		return errors.New("after the login there is no user's page")
	}
	return nil
}

func (b *browser) networks() error {
	_, err := b.post("/project/networks/create", map[string]string{
		"net_name": "seen", "admin_state": "on", "with_subnet": "on", "subnet_name": "seen4", "address_source": "manual", "cidr": "10.77.0.0/24",
		"ip_version": "4", "gateway_ip": "10.77.0.254", "enable_dhcp": "on", "allocation_pools": "10.77.0.10,10.77.0.20",
		"dns_nameservers": "192.0.2.53", "host_routes": "10.78.0.0/16,10.77.0.9",
	})
	if err != nil {
		return err
	}
	n, err := b.one("networks", "seen")
	if err != nil {
		return err
	}
	s, err := b.one("subnets", "seen4")
	if err != nil {
		return err
	}
	if s["network_id"] != n["id"] || s["gateway_ip"] != "10.77.0.254" || len(listOf(s["allocation_pools"])) != 1 || len(listOf(s["host_routes"])) != 1 {
		return fmt.Errorf("the subnet is %v", s)
	}
	id, _ := n["id"].(string)
	return errors.Join(b.shows("/project/networks/", "seen", "seen4", "10.77.0.0/24", "outside"), b.shows("/project/networks/"+id+"/detail", "seen"))
}

func (b *browser) routers() error {
	outside, err := b.one("networks", "outside")
	if err != nil {
		return err
	}
	id, _ := outside["id"].(string)
	if _, err := b.post("/project/routers/create/", map[string]string{"name": "way", "admin_state_up": "on", "external_network": id}); err != nil {
		return err
	}
	router, err := b.one("routers", "way")
	if err != nil {
		return err
	}
	subnet, err := b.one("subnets", "seen4")
	if err != nil {
		return err
	}
	rid, _ := router["id"].(string)
	sid, _ := subnet["id"].(string)
	if _, err := b.post("/project/routers/"+rid+"/addinterface", map[string]string{"subnet_id": sid}); err != nil {
		return err
	}
	return errors.Join(b.shows("/project/routers/", "way", "outside"), b.shows("/project/routers/"+rid+"/", "way", "10.77.0.254"))
}

func (b *browser) groups() error {
	if _, err := b.post("/project/security_groups/create/", map[string]string{"name": "doors", "description": "HTTPS", "stateful": "on"}); err != nil {
		return err
	}
	g, err := b.one("security_groups", "doors")
	if err != nil {
		return err
	}
	id, _ := g["id"].(string)
	_, err = b.post("/project/security_groups/"+id+"/add_rule/", map[string]string{
		"id": id, "rule_menu": "tcp", "direction": "ingress", "port_or_range": "port", "port": "443", "remote": "cidr", "cidr": "198.51.100.0/24", "description": "from there",
	})
	if err != nil {
		return err
	}
	return errors.Join(b.shows("/project/security_groups/", "doors", "default"), b.shows("/project/security_groups/"+id+"/", "443", "198.51.100.0/24"))
}

func (b *browser) floating() error {
	outside, err := b.one("networks", "outside")
	if err != nil {
		return err
	}
	id, _ := outside["id"].(string)
	if _, err := b.post("/project/floating_ips/allocate/", map[string]string{"pool": id, "description": "mine"}); err != nil {
		return err
	}
	answer, err := b.c.ask(b.ctx, http.MethodGet, b.c.API, "floatingips?description=mine", "")
	if err != nil {
		return err
	}
	list := listOf(answer["floatingips"])
	if len(list) != 1 {
		return fmt.Errorf("%d floating addresses are there", len(list))
	}
	address, _ := list[0]["floating_ip_address"].(string)
	return b.shows("/project/floating_ips/", address, "outside")
}

func (b *browser) topology() error {
	return errors.Join(
		b.shows("/project/network_topology/", "topology"),
		b.shows("/project/network_topology/json", `"seen"`, `"way"`, `"outside"`, `10.77.0.0/24`, `10.77.0.254`),
	)
}

func (b *browser) deleteNetwork() error {
	if _, err := b.post("/project/networks/create", map[string]string{"net_name": "brief", "admin_state": "on", "with_subnet": "", "ip_version": "4"}); err != nil {
		return err
	}
	n, err := b.one("networks", "brief")
	if err != nil {
		return err
	}
	id, _ := n["id"].(string)
	if _, err := b.post("/project/networks/", map[string]string{"action": "networks__delete__" + id}); err != nil {
		return err
	}
	if _, err := b.one("networks", "brief"); err == nil {
		return errors.New("the network is still in Lepton")
	}
	return nil
}
