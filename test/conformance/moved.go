package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
)

// oldRegion is where the catalogue has the Neutron that is moved from.
const oldRegion = "Old"

// NeutronHost and NeutronPort are for Neutron's configuration.
func (c *cloud) NeutronHost() string { host, _, _ := net.SplitHostPort(c.Neutron); return host }
func (c *cloud) NeutronPort() string { _, port, _ := net.SplitHostPort(c.Neutron); return port }

// OldRegion is for clouds.yaml.
func (c *cloud) OldRegion() string { return oldRegion }

// startNeutron serves Debian's Neutron from an empty database, in a region of
// its own.
func (c *cloud) startNeutron(ctx context.Context) error {
	for _, name := range []string{"neutron.conf", "neutron-paste.ini", "serve-neutron.py", "clouds.yaml"} {
		if err := c.write(name); err != nil {
			return err
		}
	}
	in := func(name string) string { return filepath.Join(c.Dir, name) }
	p, err := c.children.start("neutron-server", "/usr/bin/python3", in("serve-neutron.py"), "sqlite:///"+in("neutron.db"), c.Physical, in("neutron.conf"))
	if err != nil {
		return err
	}
	if err := c.children.ready(ctx, p, answers(c.Neutron)); err != nil {
		return err
	}
	return c.registerOld(ctx)
}

// registerOld puts Neutron into the catalogue.
func (c *cloud) registerOld(ctx context.Context) error {
	service, err := services.Create(ctx, c.identity, services.CreateOpts{Type: "network", Extra: map[string]any{"name": "neutron"}}).Extract()
	if err != nil {
		return fmt.Errorf("register Neutron: %w", err)
	}
	opts := endpoints.CreateOpts{Availability: gophercloud.AvailabilityPublic, Name: "neutron", Region: oldRegion, ServiceID: service.ID, URL: "http://" + c.Neutron}
	if err := endpoints.Create(ctx, c.identity, opts).Err; err != nil {
		return fmt.Errorf("register Neutron: %w", err)
	}
	return nil
}

// startMoved starts the controller that takes over, from an empty store, with a
// certificate.
func (c *cloud) startMoved(ctx context.Context) error {
	if err := c.write("moved.yaml"); err != nil {
		return err
	}
	pki := filepath.Join(c.Dir, "pki")
	for _, args := range [][]string{{"init", "--cloud", "moved"}, {"issue", "moved", "--address", "127.0.0.1"}} {
		argv := append([]string{filepath.Join(c.bin, "leptonctl"), "certs", "--dir", pki}, args...)
		if err := c.children.do(ctx, "certs", argv...); err != nil {
			return err
		}
	}
	authority, err := os.ReadFile(filepath.Join(pki, "ca.pem"))
	if err != nil {
		return fmt.Errorf("read the authority of the controller: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return errors.New("the authority of the controller is no certificate")
	}
	c.trusting = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	p, err := c.children.start("moved", filepath.Join(c.bin, "lepton-controller"), "--config", filepath.Join(c.Dir, "moved.yaml"))
	if err != nil {
		return err
	}
	return c.children.ready(ctx, p, func(ctx context.Context) error {
		_, err := c.ask(ctx, http.MethodGet, c.Moved, "extensions", "")
		return err
	})
}

// answers asks the root of an API.
func answers(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		rq, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(rq)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
}

// ask sends a request to the API at an address as the administrator, and reads
// the answer.
func (c *cloud) ask(ctx context.Context, method, address, path, body string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	scheme, client := "http://", http.DefaultClient
	if address == c.Moved {
		scheme, client = "https://", c.trusting
	}
	rq, err := http.NewRequestWithContext(ctx, method, scheme+address+"/v2.0/"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	rq.Header.Set("X-Auth-Token", c.identity.Token())
	rq.Header.Set("Content-Type", "application/json")
	res, err := client.Do(rq)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var raw bytes.Buffer
	if _, err := raw.ReadFrom(res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s %s: %s: %s", method, path, body, res.Status, raw.String())
	}
	var out map[string]any
	if raw.Len() == 0 {
		return out, nil
	}
	if err := json.Unmarshal(raw.Bytes(), &out); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", method, path, err, raw.String())
	}
	return out, nil
}
