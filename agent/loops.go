package agent

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/lepton-sdn/lepton/agent/bridges"
	"github.com/lepton-sdn/lepton/agent/config"
	"github.com/lepton-sdn/lepton/agent/control"
	"github.com/lepton-sdn/lepton/agent/dhcp"
	"github.com/lepton-sdn/lepton/agent/dhcp/answers"
	"github.com/lepton-sdn/lepton/agent/l3"
	"github.com/lepton-sdn/lepton/agent/localdhcp"
	"github.com/lepton-sdn/lepton/agent/packetlog"
	"github.com/lepton-sdn/lepton/agent/rulestats"
	"github.com/lepton-sdn/lepton/agent/upkeep"
	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows/ofp"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pipeline"
	"github.com/lepton-sdn/lepton/telemetry"
)

// This file: the loops of a host. Each owns its state, in a goroutine of its own.

// loop runs until ctx is done.
type loop func(ctx context.Context) error

// loops makes all loops that the host's roles ask for.
func (h *host) loops() ([]loop, error) {
	all := []loop{
		h.audit.Run, h.hub.Run, h.session.Run, h.countRules,
		func(ctx context.Context) error {
			return h.audit.Tell(ctx, func(p []model.Problem) { h.updates.Tell("drift", p) })
		},
	}
	for _, more := range []func() ([]loop, error){h.wiring, h.namespaces, h.metadata, h.observed} {
		list, err := more()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return append(all, h.updates.Run), nil // when all have their consumers
}

// wiring is the layer-2 loop, with those that take what the switch sends it.
func (h *host) wiring() ([]loop, error) {
	cfg := h.Config
	packets, err := h.openPacketLog()
	if err != nil {
		return nil, err
	}
	local := localdhcp.New(localdhcp.Config{
		Host: cfg.Host, Log: h.Log, Registerer: h.reg, Loop: h.counts.Loop("localdhcp"),
		Settings: answers.Settings{
			LeaseTime: cfg.DHCP.LeaseTime(), NoResolver: true, Resolvers: cfg.DHCP.Resolvers(), LinkMetadata: metadataLink(cfg) != "",
		},
	})
	ports := wire.New(wire.Config{
		Host:         cfg.Host,
		Bridges:      desiredBridges(cfg),
		TunnelTypes:  cfg.Tunnel.ModelTypes(),
		ARPResponder: cfg.L2.ARPResponder,
		DB:           h.db,
		Controller:   h.updates.Consumer("wire"),
		Dial:         h.hub.Dial,
		Metrics:      wire.NewMetrics(h.reg),
		Loop:         h.counts.Loop("wire"),
		Audit:        h.audit,
		Packets:      packets,
		Responder:    local,
		MetadataLink: metadataLink(cfg),
		Log:          h.Log,
	})
	return []loop{packets.Run, local.Run, ports.Run}, nil
}

// namespaces are the loops of DHCP servers and of routers.
func (h *host) namespaces() (all []loop, err error) {
	cfg := h.Config
	keeps := upkeep.Config{
		Host: cfg.Host, Owner: namespaceOwner(h.instance), Bridge: cfg.OVS.IntegrationBridge, RunDir: cfg.RunDir, DB: h.db,
		Children: h.children, Audit: h.audit, Log: h.Log,
	}
	if slices.Contains(cfg.Roles, "dhcp") {
		keeps.Controller, keeps.Loop = h.updates.Consumer("dhcp"), h.counts.Loop("dhcp")
		all = append(all, dhcp.New(dhcp.Config{Config: keeps, Options: dhcpOptions(cfg)}).Run)
	}
	if slices.Contains(cfg.Roles, "l3") || slices.Contains(cfg.Roles, "dvr") {
		keeps.Controller, keeps.Loop = h.updates.Consumer("l3"), h.counts.Loop("l3")
		all = append(all, l3.New(l3.Config{Config: keeps, Connected: h.session.Connected}).Run)
	}
	return all, nil
}

// observed is what operators and their monitoring ask.
func (h *host) observed() ([]loop, error) {
	socket, err := control.Listen(filepath.Join(h.Config.RunDir, "agent.sock"), h.Config.Host, h.audit, h.updates)
	if err != nil {
		return nil, fmt.Errorf("run_dir: %w", err)
	}
	if h.Config.Metrics.Listen == "" {
		return []loop{socket.Run}, nil
	}
	figures, err := telemetry.Listen(h.Config.Metrics.Listen, h.reg, checks(h.db, h.session, h.updates)...)
	if err != nil {
		return nil, fmt.Errorf("metrics.listen: %w", err)
	}
	return []loop{socket.Run, figures.Run}, nil
}

// countRules reads what the rules of security groups have admitted.
func (h *host) countRules(ctx context.Context) error {
	return rulestats.Run(ctx, rulestats.Config{
		Read: func(ctx context.Context, f ofp.Filter) ([]ofp.FlowStat, error) {
			return h.hub.Stats(ctx, h.Config.OVS.IntegrationBridge, f)
		},
		Report: h.session.ReportRules, Loop: h.counts.Loop("rulestats"), Log: h.Log,
	})
}

// openPacketLog prepares the writing of packets for the logs of the API. Lines
// are appended, so that the file may be copied and truncated at any time.
func (h *host) openPacketLog() (*packetlog.Log, error) {
	c, out := h.Config.NetworkLog, h.Log.Named("network_log")
	if c.File != "" {
		own := zap.NewProductionConfig()
		own.OutputPaths, own.Sampling, own.DisableCaller = []string{c.File}, nil, true
		own.EncoderConfig.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		var err error
		if out, err = own.Build(); err != nil {
			return nil, fmt.Errorf("network_log.file: %w", err)
		}
		out = out.Named("network_log")
	}
	return packetlog.New(packetlog.Config{Rate: c.RateLimit, Burst: c.BurstLimit, Out: out, Registerer: h.reg, Loop: h.counts.Loop("packetlog")}), nil
}

func desiredBridges(c *config.Config) bridges.Desired {
	return bridges.Desired{
		Integration:    c.OVS.IntegrationBridge,
		Tunnel:         c.OVS.TunnelBridge,
		DatapathType:   c.OVS.DatapathType,
		Controller:     "tcp:" + controllerTarget(c.OVS.OpenFlowListen),
		BridgeMappings: c.OVS.BridgeMappings,

		IntegrationTables: tableNames(pipeline.Integration),
		TunnelTables:      tableNames(pipeline.Tunnel),
		ProviderTables:    tableNames(pipeline.Provider),

		LocalIP: c.Tunnel.LocalIP,
		CSUM:    c.Tunnel.CSUM,
		DF:      c.Tunnel.DF,
	}
}

func tableNames(k pipeline.Kind) map[int]string {
	names := map[int]string{}
	for n, name := range pipeline.TableNames(k) {
		names[int(n)] = name
	}
	return names
}

// controllerTarget is the address at which the switch finds a listener: one on
// every address is reached on loopback.
func controllerTarget(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}
