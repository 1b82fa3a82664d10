package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Scope is a network namespace in which guests ask: the content of a file. The
// order of its lists is that of ids, so that equal scopes are equal files.
type Scope struct {
	// Namespaces are the names that it may have; it is the first one that has
	// the owner (see linux/netns).
	Namespaces []string `json:"namespaces"`
	Owner      string   `json:"owner"`
	// Port is the TCP port to listen on.
	Port int `json:"port"`
	// Addresses are those at which requests are answered; none: at any.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	Networks  []Network    `json:"networks"`
}

// Network is a network from which requests come.
type Network struct {
	ID string `json:"id"`
	// Link is the link by which they come; "" for any.
	Link  string `json:"link,omitempty"`
	Ports []Port `json:"ports"`
}

// Port is a guest's port.
type Port struct {
	ID       string `json:"id"`
	Instance string `json:"instance,omitempty"` // its device_id
	Project  string `json:"project,omitempty"`
	// Addresses are those that the guest may send from: the port's own, and
	// single ones of its allowed address pairs, link-local ones included.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Others are of allowed address pairs; a port that has the address as its own
	// goes first.
	Others []netip.Addr `json:"others,omitempty"`
	// Source is the guest's address where the others stand for it.
	Source netip.Addr `json:"source,omitzero"`
}

// scopesDir is where the files of scopes are, below the directory of the proxy.
const scopesDir = "scopes"

// ScopeFile is the file of a scope.
func ScopeFile(dir, name string) string { return filepath.Join(dir, scopesDir, name+".json") }

// check refuses a scope that cannot be served.
func (s *Scope) check() error {
	switch {
	case len(s.Namespaces) == 0:
		return errors.New("it names no namespace")
	case s.Port < 1 || s.Port > 65535:
		return fmt.Errorf("%d is not a TCP port", s.Port)
	}
	return nil
}

// readScopes reads the files of all scopes, by name. Errors are of single files,
// whose scopes are in kept when they are in force already.
func readScopes(dir string, kept map[string]*Scope) (map[string]*Scope, error) {
	entries, err := os.ReadDir(filepath.Join(dir, scopesDir))
	if err != nil {
		return kept, err
	}
	out := map[string]*Scope{}
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		s := &Scope{}
		err := readJSON(ScopeFile(dir, name), s)
		if err == nil {
			err = s.check()
		}
		switch {
		case err == nil:
			out[name] = s
		case errors.Is(err, os.ErrNotExist):
		default:
			errs = append(errs, fmt.Errorf("scope %s: %w", name, err))
			if kept[name] != nil {
				out[name] = kept[name]
			}
		}
	}
	return out, errors.Join(errs...)
}

func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// index finds ports by address.
type index struct {
	// networks are the addresses on each link; anywhere is all of them together.
	networks map[string]map[netip.Addr]*Port
	anywhere map[netip.Addr]*Port
}

func newIndex(s *Scope) *index {
	x := &index{networks: map[string]map[netip.Addr]*Port{}}
	all := Network{}
	for i := range s.Networks {
		n := &s.Networks[i]
		if n.Link != "" {
			x.networks[n.Link] = byAddress(n.Ports)
		}
		all.Ports = append(all.Ports, n.Ports...)
	}
	x.anywhere = byAddress(all.Ports)
	return x
}

// byAddress gives who has each address. One that two ports may have is nobody's,
// unless it is one's own.
func byAddress(ports []Port) map[netip.Addr]*Port {
	out := map[netip.Addr]*Port{}
	add := func(addresses func(*Port) []netip.Addr) {
		mine := map[netip.Addr]*Port{}
		for i := range ports {
			for _, a := range addresses(&ports[i]) {
				if other, taken := mine[a]; taken && other != &ports[i] {
					mine[a] = nil
				} else {
					mine[a] = &ports[i]
				}
			}
		}
		for a, p := range mine {
			if _, taken := out[a]; !taken {
				out[a] = p
			}
		}
	}
	add(func(p *Port) []netip.Addr { return p.Addresses })
	add(func(p *Port) []netip.Addr { return p.Others })
	return out
}

// find gives the port that has an address, on the link by which a request came;
// "" for a link that is not known. Nil: there is none, or more than one.
func (x *index) find(link string, a netip.Addr) *Port {
	if ports, ok := x.networks[link]; ok {
		return ports[a]
	}
	if link != "" && len(x.networks) > 0 {
		return nil
	}
	return x.anywhere[a]
}
