package flows

import (
	"bufio"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// portTable gives every name that it meets a number.
type portTable struct {
	byName map[string]uint32
	names  []string
}

func (p *portTable) number(name string) (uint32, bool) {
	n, ok := p.byName[name]
	if !ok {
		p.names = append(p.names, name)
		n = uint32(len(p.names))
		p.byName[name] = n
	}
	return n, true
}

func (p *portTable) name(n uint32) string {
	if n < 1 || int(n) > len(p.names) {
		return ""
	}
	return p.names[n-1]
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); line != "" && line[0] != '#' {
			out = append(out, line)
		}
	}
	return out
}

func TestFlowsOfADumpArePrintedAsTheyWereRead(t *testing.T) {
	for _, file := range []string{"neutron.flows", "neutron-names.flows", "switch.flows"} {
		t.Run(file, func(t *testing.T) {
			ports := &portTable{byName: map[string]uint32{}}
			parse, format := ParseOptions{}, FormatOptions{}
			if strings.Contains(file, "names") {
				parse.Ports, format.PortNames = ports.number, ports.name
			}
			for _, line := range lines(t, "testdata/"+file) {
				r, err := ParseRule(line, parse)
				if err != nil {
					t.Errorf("%s: %v", line, err)
					continue
				}
				if diff := cmp.Diff(line, Format(r, format)); diff != "" {
					t.Errorf("read and printed again:\n%s", diff)
				}
			}
		})
	}
}
