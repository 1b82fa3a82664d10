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

// startCompute answers the one question that the network tests have for Nova:
// which hypervisors are there, so that a port can be bound to one.
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
	c.children.stop()
	if c.compute != nil {
		_ = c.compute.Close()
	}
}
