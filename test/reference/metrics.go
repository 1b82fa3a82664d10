package reference

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Metric is one that a program exposes.
type Metric struct {
	Name, Type, Help string
	Labels           []string
	Program          string // "controller", "agent", or "both"
}

// rooms is where metrics are made, and whose they are.
var rooms = map[string]string{"controller": "controller", "agent": "agent", "telemetry": "both"}

// Metrics reads the sources for the metrics that they make: names, meanings and
// labels have to be written out where a metric is made.
func Metrics(top string) ([]Metric, error) {
	var all []Metric
	err := sources(top, func(room string, f *ast.File) error {
		var wrong error
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || wrong != nil {
				return wrong == nil
			}
			m, is, err := metricOf(call)
			if err != nil {
				wrong = err
			}
			if is && err == nil {
				m.Program = rooms[room]
				all = append(all, m)
			}
			return wrong == nil
		})
		return wrong
	})
	slices.SortFunc(all, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(all); i++ {
		if all[i].Name == all[i-1].Name {
			return nil, fmt.Errorf("two metrics are called %s", all[i].Name)
		}
	}
	return all, err
}

// LoopNames reads which loops of a program count their work.
func LoopNames(top string) (map[string][]string, error) {
	names := map[string][]string{}
	err := sources(top, func(room string, f *ast.File) error {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			s, isSelector := call.Fun.(*ast.SelectorExpr)
			if name, isText := text(call.Args[0]); isSelector && isText && s.Sel.Name == "Loop" {
				names[room] = append(names[room], name)
			}
			return true
		})
		return nil
	})
	for room := range names {
		slices.Sort(names[room])
	}
	return names, err
}

// sources hands over every file of the programs that is no test.
func sources(top string, each func(room string, f *ast.File) error) error {
	for room := range rooms {
		err := filepath.WalkDir(filepath.Join(top, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err == nil {
				err = each(room, f)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// metricOf reads a call that makes a metric.
func metricOf(call *ast.CallExpr) (m Metric, is bool, err error) {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return m, false, nil
	}
	if pkg, ok := s.X.(*ast.Ident); !ok || pkg.Name != "prometheus" || len(call.Args) == 0 {
		return m, false, nil
	}
	kind, ok := strings.CutPrefix(s.Sel.Name, "New")
	kind = strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(kind, "Vec"), "Func"))
	if !ok || !slices.Contains([]string{"counter", "gauge", "histogram", "summary", "desc"}, kind) {
		return m, false, nil
	}
	m.Type = kind
	var name, help ast.Expr
	labels := call.Args[len(call.Args)-1]
	switch opts, isOpts := call.Args[0].(*ast.CompositeLit); {
	case kind == "desc" && len(call.Args) == 4:
		name, help, labels = call.Args[0], call.Args[1], call.Args[2]
	case isOpts:
		for _, e := range opts.Elts {
			kv := e.(*ast.KeyValueExpr)
			switch kv.Key.(*ast.Ident).Name {
			case "Name":
				name = kv.Value
			case "Help":
				help = kv.Value
			}
		}
	}
	var named, meant bool
	if m.Name, named = text(name); !named {
		return m, true, fmt.Errorf("the name of a %s is not written out where it is made", kind)
	}
	if m.Help, meant = text(help); !meant || m.Help == "" {
		return m, true, fmt.Errorf("nothing says what %s means", m.Name)
	}
	if kind == "desc" {
		m.Type = "gauge"
		if strings.HasSuffix(m.Name, "_total") {
			m.Type = "counter"
		}
	}
	if list, ok := labels.(*ast.CompositeLit); ok {
		if _, isList := list.Type.(*ast.ArrayType); isList {
			for _, e := range list.Elts {
				label, _ := text(e)
				m.Labels = append(m.Labels, label)
			}
		}
	}
	return m, true, nil
}

// text gives the value of a string literal.
func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// loopMeanings say what the loops do.
var loopMeanings = map[string]map[string]string{
	"controller": {
		"records":       "keeps this controller's view of the records up to date; a failure is a watch that ended",
		"store":         "asks the store for its revision every 5 s: how long an answer takes",
		"streams":       "owns the agents' streams and what each host must know",
		"reports":       "stores what agents report of ports and other objects",
		"heartbeats":    "stores heartbeats",
		"schedule":      "puts routers and networks on hosts",
		"compactor":     "has etcd forget old revisions, every minute or, of a cluster, every five",
		"tokens":        "looks whether the file of tokens has changed, every second (auth.mode token); a failure is a file that cannot be used",
		"keystone":      "requests to Keystone, logins of the service's own user and questions about tokens (auth.mode keystone); a failure is one without an answer, or with a status from 500 on",
		"journal":       "removes old events and notes agents that fell silent, on the controller that keeps the journal",
		"nova-keystone": "logins at Keystone of the user that tells Nova of ports",
		"rebind":        "binds ports again whose host's agent came or changed; what waits are hosts",
	},
	"agent": {
		"session":       "keeps the stream to a controller; a failure is a stream that ended or could not be had",
		"feed":          "takes updates, writes them to disk and hands them to the other loops",
		"wire":          "bridges, flows and ports; what waits are ports whose wiring is not in the switch yet, a failure is a connection or a flow that the switch refused",
		"l3":            "routers: jobs of its workers; what waits are routers",
		"dhcp":          "DHCP servers: jobs of its workers; what waits are networks",
		"metadata-link": "the port and the namespace of the metadata proxy in metadata.mode local; a failure shows as a problem of the agent too",
		"metadata":      "the files of the metadata proxy; what waits are scopes",
		"localdhcp":     "questions of guests for DHCP that the agent answers itself; a failure is an answer that the switch did not take",
		"packetlog":     "packets for the logs of the API",
		"rulestats":     "reads what rules have counted, every 10 s",
	},
}

// MetricsPage writes docs/metrics.md.
func MetricsPage(top string) (string, error) {
	all, err := Metrics(top)
	if err != nil {
		return "", err
	}
	loops, err := LoopNames(top)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(metricsPreface)
	for _, part := range []struct{ program, title string }{{"both", "Both programs"}, {"controller", "lepton-controller"}, {"agent", "lepton-agent"}} {
		fmt.Fprintf(&b, "\n## %s\n\n| name | type | labels | meaning |\n| --- | --- | --- | --- |\n", part.title)
		for _, m := range all {
			if m.Program == part.program {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Help)
			}
		}
		if part.program == "both" {
			continue
		}
		b.WriteString("\n| loop | what it does |\n| --- | --- |\n")
		for _, name := range loops[part.program] {
			meaning := loopMeanings[part.program][name]
			if meaning == "" {
				return "", fmt.Errorf("nothing says what loop %s of the %s does", name, part.program)
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", name, meaning)
		}
	}
	return b.String(), nil
}

const metricsPreface = `# Metrics, health and readiness

Both programs serve HTTP at ` + "`metrics.listen`" + ` (127.0.0.1:9698 of the controller, 127.0.0.1:9699 of the agent; empty: nowhere):

| path | what it gives |
| --- | --- |
| ` + "`/metrics`" + ` | Prometheus metrics: those below, and the Go runtime's and the process's |
| ` + "`/healthz`" + ` | 200 while the process lives |
| ` + "`/readyz`" + ` | 200 when the program does its work, else 503; JSON with every check, whether it is needed, and the reason when it fails |
| ` + "`/debug/pprof/`" + ` | profiles, for clients on loopback only; to others it does not exist |

There is no authentication: on another address than loopback let only the monitoring reach it. Nothing there is secret, but it tells how many hosts and ports there are.

The controller's checks are ` + "`store`" + ` (it answers within 2 s), ` + "`records`" + ` (the view of the records is current) and ` + "`rpc`" + ` (agents are served). The agent's are ` + "`ovsdb`" + ` (connected), ` + "`records`" + ` (there are some, of a controller or from the disk), ` + "`sync`" + ` (every loop has realised them, or is at it for less than 5 s), and ` + "`controller`" + ` (connected), which is told and not needed: the host works on with the records that it has.

This page is written from the code (` + "`make docs`" + `).
`
