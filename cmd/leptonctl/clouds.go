package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config/clouds"

	"github.com/lepton-sdn/lepton/lab"
	"github.com/lepton-sdn/lepton/neutron"
)

// endpoint says how a Networking API is reached: a cloud of clouds.yaml, or a
// URL with a token from a file or none; neither is what the OS_ environment
// says.
type endpoint struct{ cloud, url, tokenFile string }

// dial finds the endpoint's API and logs in.
func (e endpoint) dial(ctx context.Context) (*neutron.Cloud, *gophercloud.ProviderClient, error) {
	url := e.url
	if url == "" && e.cloud == "" && os.Getenv("OS_AUTH_TYPE") == "none" {
		url = os.Getenv("OS_ENDPOINT")
	}
	if url != "" {
		if !isURL(url) {
			return nil, nil, usage(fmt.Errorf("%q is not a URL such as http://127.0.0.1:9696", url))
		}
		provider, err := e.provider()
		if err != nil {
			return nil, nil, err
		}
		return networking(provider, url), provider, nil
	}
	auth, where, config, err := e.credentials()
	if err != nil {
		return nil, nil, err
	}
	auth.AllowReauth = true
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return nil, nil, fmt.Errorf("reach the identity service: %w", err)
	}
	provider.HTTPClient = client(config)
	if err := openstack.Authenticate(ctx, provider, auth); err != nil {
		return nil, nil, fmt.Errorf("log in at %s: %w", auth.IdentityEndpoint, err)
	}
	service, err := openstack.NewNetworkV2(provider, where)
	if err != nil {
		return nil, nil, fmt.Errorf("find the service network in the catalogue: %w", err)
	}
	return neutron.New(service), provider, nil
}

// provider speaks with the token of the file, or with none.
func (e endpoint) provider() (*gophercloud.ProviderClient, error) {
	config, err := environmentTLS()
	if err != nil {
		return nil, err
	}
	p := &gophercloud.ProviderClient{HTTPClient: client(config)}
	if e.tokenFile == "" {
		return p, nil
	}
	b, err := os.ReadFile(e.tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	p.SetToken(strings.TrimSpace(string(b)))
	return p, nil
}

// networking is the API at a URL, with or without its version.
func networking(p *gophercloud.ProviderClient, url string) *neutron.Cloud {
	base := strings.TrimSuffix(strings.TrimSuffix(url, "/"), "/v2.0") + "/"
	return neutron.New(&gophercloud.ServiceClient{ProviderClient: p, Endpoint: base, ResourceBase: base + "v2.0/", Type: "network"})
}

// credentials come from clouds.yaml or the environment.
func (e endpoint) credentials() (gophercloud.AuthOptions, gophercloud.EndpointOpts, *tls.Config, error) {
	name := e.cloud
	if name == "" {
		name = os.Getenv("OS_CLOUD")
	}
	if name != "" {
		auth, where, config, err := clouds.Parse(clouds.WithCloudName(name))
		if err != nil {
			err = advise(lab.ErrNotFound, fmt.Errorf("read cloud %s: %w", name, err), "clouds.yaml is looked for here, in ~/.config/openstack and in /etc/openstack")
		}
		return auth, where, config, err
	}
	auth, err := openstack.AuthOptionsFromEnv()
	if err != nil {
		return auth, gophercloud.EndpointOpts{}, nil, advise(lab.ErrUsage, err, "set OS_AUTH_URL and the other OS_ variables, or OS_CLOUD, or say --from URL")
	}
	if auth.Scope == nil && auth.DomainName == "" && auth.DomainID == "" {
		auth.DomainName = os.Getenv("OS_USER_DOMAIN_NAME")
		auth.DomainID = os.Getenv("OS_USER_DOMAIN_ID")
	}
	config, err := environmentTLS()
	return auth, gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}, config, err
}

// environmentTLS trusts OS_CACERT besides the machine's authorities.
func environmentTLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	file := os.Getenv("OS_CACERT")
	if file == "" {
		return config, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read OS_CACERT: %w", err)
	}
	config.RootCAs, err = x509.SystemCertPool()
	if err != nil {
		config.RootCAs = x509.NewCertPool()
	}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, advise(lab.ErrUsage, fmt.Errorf("OS_CACERT %s has no certificate", file), "it takes a file of PEM")
	}
	return config, nil
}

func client(config *tls.Config) http.Client {
	return http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second,
	}}
}
