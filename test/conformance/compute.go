package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// computePath is where the catalogue says that Nova is.
const computePath = "/v2.1"

// startCompute answers the questions that there are for Nova: which hypervisors
// it has, so that a port can be bound to one, its quotas, and its servers.
func (c *cloud) startCompute(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", c.Compute)
	if err != nil {
		return fmt.Errorf("stand in for Nova: %w", err)
	}
	mux := http.NewServeMux()
	for path, answer := range map[string]string{
		"/os-hypervisors": `{"hypervisors": [{"id": 1, "hypervisor_hostname": "hv1", "state": "up", "status": "enabled"}]}`,
		// The client asks for all services' quotas at once.
		"/os-quota-sets/{project}": `{"quota_set": {}}`,
		// For Horizon's picture of the topology.
		"/limits": `{"limits": {"rate": [], "absolute": {"maxTotalInstances": 10, "maxTotalCores": 20, "maxTotalRAMSize": 51200, "maxTotalKeypairs": 100,
			"maxServerMeta": 128, "maxPersonality": 5, "maxPersonalitySize": 10240, "maxImageMeta": 128, "maxServerGroups": 10, "maxServerGroupMembers": 10,
			"totalInstancesUsed": 0, "totalCoresUsed": 0, "totalRAMUsed": 0, "totalServerGroupsUsed": 0}}}`,
		"/os-simple-tenant-usage/{project}": `{"tenant_usage": {}}`,
		"/servers/detail":                   `{"servers": []}`,
		"": `{"version": {"id": "v2.1", "status": "CURRENT", "version": "2.1", "min_version": "2.1",
			"links": [{"rel": "self", "href": "http://` + c.Compute + computePath + `/"}]}}`,
	} {
		mux.HandleFunc("GET "+computePath+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer)) // the client that is gone is nobody's concern
		})
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	c.compute = server
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Println("the stand-in for Nova ended:", err)
		}
	}()
	return nil
}

// stop ends everything that the cloud runs.
func (c *cloud) stop() {
	if c.stopHosts != nil {
		c.stopHosts()
	}
	c.children.stop()
	if c.compute != nil {
		_ = c.compute.Close()
	}
}
