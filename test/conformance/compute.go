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
// it has, so that a port can be bound to one, and its quotas.
func (c *cloud) startCompute(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", c.Compute)
	if err != nil {
		return fmt.Errorf("stand in for Nova: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+computePath+"/os-hypervisors", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		// The client that is gone is nobody's concern.
		_, _ = w.Write([]byte(`{"hypervisors": [{"id": 1, "hypervisor_hostname": "hv1", "state": "up", "status": "enabled"}]}`))
	})
	// The client asks for all services' quotas at once.
	mux.HandleFunc("GET "+computePath+"/os-quota-sets/{project}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"quota_set": {}}`))
	})
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
