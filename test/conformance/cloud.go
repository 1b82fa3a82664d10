package main

import (
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/common/extensions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/external"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/subnetpools"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// files are the configuration of the programs, filled with the fields of cloud.
//
//go:embed files
var files embed.FS

// cloud is an OpenStack of as many services as the tests need. The exported
// fields are for files.
type cloud struct {
	Dir                         string
	Keystone, API, RPC, Compute string // HOST:PORT
	Neutron, Moved, MovedRPC    string // a Neutron, and the controller that takes over from it
	Horizon                     string
	User, Password, Project     string // the administrator's
	Domain, Region              string
	Physical                    string // network that the hosts' bridges lead to
	External, ExternalName      string // network with addresses for floating IPs
	Extensions                  string // aliases, with commas
	bin                         string
	children                    *children
	identity, network           *gophercloud.ServiceClient
	compute                     *http.Server
	trusting                    *http.Client // believes the authority of the controller that takes over
	stopHosts                   context.CancelFunc
}

func newCloud(dir string, o options) (*cloud, error) {
	bin, err := filepath.Abs(o.bin)
	if err != nil {
		return nil, fmt.Errorf("find programs: %w", err)
	}
	free, err := freeAddresses(8)
	if err != nil {
		return nil, err
	}
	return &cloud{
		Dir: dir, Keystone: free[0], API: free[1], RPC: free[2], Compute: free[3],
		Neutron: free[4], Moved: free[5], MovedRPC: free[6], Horizon: free[7],
		User: "admin", Password: rand.Text(), Project: "admin", Domain: "Default", Region: "RegionOne",
		Physical: "physnet1", ExternalName: "public",
		bin: bin, children: &children{dir: dir, env: environment(dir)},
	}, nil
}

// write fills files/name and puts it into the directory under its own name.
func (c *cloud) write(name string) error {
	t, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return fmt.Errorf("read the template of %s: %w", name, err)
	}
	// Readable for us alone: there are passwords.
	f, err := os.OpenFile(filepath.Join(c.Dir, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer f.Close()
	if err := t.Execute(f, c); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// startKeystone makes an empty Keystone with an administrator and serves it.
func (c *cloud) startKeystone(ctx context.Context) error {
	for _, name := range []string{"keystone.conf", "uwsgi.ini"} {
		if err := c.write(name); err != nil {
			return err
		}
	}
	url := "http://" + c.Keystone + "/v3"
	owner := []string{"--keystone-user", strconv.Itoa(os.Getuid()), "--keystone-group", strconv.Itoa(os.Getgid())}
	for _, args := range [][]string{
		{"db_sync"},
		append([]string{"fernet_setup"}, owner...),
		append([]string{"credential_setup"}, owner...),
		{
			"bootstrap", "--bootstrap-username", c.User, "--bootstrap-password", c.Password, "--bootstrap-project-name", c.Project,
			"--bootstrap-region-id", c.Region, "--bootstrap-public-url", url, "--bootstrap-admin-url", url, "--bootstrap-internal-url", url,
		},
	} {
		argv := append([]string{"/usr/bin/keystone-manage", "--config-file", filepath.Join(c.Dir, "keystone.conf")}, args...)
		if err := c.children.do(ctx, "keystone-manage", argv...); err != nil {
			return err
		}
	}
	p, err := c.children.start("uwsgi", "/usr/bin/uwsgi-core", "--ini", filepath.Join(c.Dir, "uwsgi.ini"))
	if err != nil {
		return err
	}
	var provider *gophercloud.ProviderClient
	err = c.children.ready(ctx, p, func(ctx context.Context) (err error) {
		provider, err = openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
			IdentityEndpoint: url, Username: c.User, Password: c.Password, TenantName: c.Project, DomainName: c.Domain,
		})
		return err
	})
	if err != nil {
		return err
	}
	c.identity, err = openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: c.Region})
	if err != nil {
		return fmt.Errorf("find Keystone in its catalogue: %w", err)
	}
	c.network = &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: "http://" + c.API + "/v2.0/", Type: "network"}
	return nil
}

// fillCatalogue names the controller, by the commands that are documented, and
// the stand-in for Nova.
func (c *cloud) fillCatalogue(ctx context.Context) error {
	service, err := services.Create(ctx, c.identity, services.CreateOpts{Type: "compute", Extra: map[string]any{"name": "compute"}}).Extract()
	if err != nil {
		return fmt.Errorf("register Nova: %w", err)
	}
	for _, availability := range []gophercloud.Availability{gophercloud.AvailabilityPublic, gophercloud.AvailabilityInternal, gophercloud.AvailabilityAdmin} {
		opts := endpoints.CreateOpts{Availability: availability, Name: "compute", Region: c.Region, ServiceID: service.ID, URL: "http://" + c.Compute + computePath}
		if err := endpoints.Create(ctx, c.identity, opts).Err; err != nil {
			return fmt.Errorf("register %s endpoint of Nova: %w", availability, err)
		}
	}
	return c.registerAsDocumented(ctx)
}

// startController serves the Networking API from an empty store.
func (c *cloud) startController(ctx context.Context) error {
	if err := c.write("controller.yaml"); err != nil {
		return err
	}
	p, err := c.children.start("controller", filepath.Join(c.bin, "lepton-controller"), "--config", filepath.Join(c.Dir, "controller.yaml"))
	if err != nil {
		return err
	}
	return c.children.ready(ctx, p, answers(c.API))
}

// prepareNetwork asks for the extensions, and makes the external network and the
// default subnet pools that an operator would have made before tempest comes.
func (c *cloud) prepareNetwork(ctx context.Context) error {
	pages, err := extensions.List(c.network).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list extensions: %w", err)
	}
	list, err := extensions.ExtractExtensions(pages)
	if err != nil {
		return fmt.Errorf("list extensions: %w", err)
	}
	var aliases []string
	for _, e := range list {
		aliases = append(aliases, e.Alias)
	}
	slices.Sort(aliases)
	c.Extensions = strings.Join(aliases, ",")

	yes := true
	network, err := networks.Create(ctx, c.network, external.CreateOptsExt{
		CreateOptsBuilder: networks.CreateOpts{Name: c.ExternalName}, External: &yes,
	}).Extract()
	if err != nil {
		return fmt.Errorf("make external network: %w", err)
	}
	c.External = network.ID
	if err := subnets.Create(ctx, c.network, subnets.CreateOpts{
		NetworkID: network.ID, Name: c.ExternalName, IPVersion: gophercloud.IPv4, CIDR: "198.51.100.0/24",
	}).Err; err != nil {
		return fmt.Errorf("make subnet of the external network: %w", err)
	}
	for _, pool := range []subnetpools.CreateOpts{
		{Name: "default-v4", Prefixes: []string{"10.224.0.0/12"}, DefaultPrefixLen: 26, IsDefault: true, Shared: true},
		{Name: "default-v6", Prefixes: []string{"fd00:224::/48"}, DefaultPrefixLen: 64, IsDefault: true, Shared: true},
	} {
		if err := subnetpools.Create(ctx, c.network, pool).Err; err != nil {
			return fmt.Errorf("make subnet pool %s: %w", pool.Name, err)
		}
	}
	return nil
}
