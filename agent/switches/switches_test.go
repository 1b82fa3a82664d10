package switches_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/switches"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestABridgeIsReachedByItsManagementSocket(t *testing.T) {
	sw := ovstest.Start(t)
	sw.AddBridge("br0")
	hub, err := switches.Listen(t.Context(), switches.Config{
		Address: "127.0.0.1:0", RunDir: sw.Dir, Log: zap.NewNop(),
		Names: func(uint64) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := hub.Dial(ctx, "br0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ours := flows.Rule{Priority: 7, Cookie: pipeline.Cookie(pipeline.FeatureBase, ""), Actions: []flows.Action{flows.Output{Port: flows.PortNormal}}}
	if err := c.Apply(ctx, []flows.Rule{ours}, nil); err != nil {
		t.Fatal(err)
	}
	sw.Ofctl("add-flow", "br0", "cookie=0x1,priority=9,actions=drop")
	got, err := c.Flows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Priority != 7 {
		t.Fatalf("flows of ours: %v", got)
	}
}

func TestABridgeWithoutASocketIsWaitedForAndNamed(t *testing.T) {
	dir := t.TempDir()
	hub, err := switches.Listen(t.Context(), switches.Config{
		Address: "127.0.0.1:0", RunDir: filepath.Join(dir, "none"), Log: zap.NewNop(),
		Names: func(uint64) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := hub.Dial(ctx, "br0"); err == nil || !strings.Contains(err.Error(), "br0") {
		t.Fatalf("error %v does not name the bridge", err)
	}
}
