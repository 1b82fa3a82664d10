package lab

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/config"
	"github.com/lepton-sdn/lepton/model"
)

//go:embed topologies/*.yaml
var embedded embed.FS

// maxHosts bounds a lab. It is far above what one machine carries and far
// below what the lab's address ranges hold.
const maxHosts = 1000

// maxControllers is the largest cluster that etcd's authors advise.
const maxControllers = 7

// The roles of a host.
const (
	RoleController = "controller" // runs lepton-controller; where several hosts do, a member of an etcd cluster too
	RoleNetwork    = "network"    // runs lepton-agent for routers, DHCP and metadata
	RoleCompute    = "compute"    // runs lepton-agent for guests
)

// Topology describes a lab: what an operator writes in a YAML file.
type Topology struct {
	// MTU is that of every link between the hosts and of the physical networks
	// in bytes, 1280–9216. Default 1500.
	MTU int `yaml:"mtu" json:"mtu"`
	// Datapath is Open vSwitch's: "netdev" (userspace), "system" (the kernel's
	// module) or "auto", which takes the kernel's where it can be loaded.
	Datapath string `yaml:"datapath" json:"datapath"`
	// UnderlayIP is the IP version of the tunnels' addresses, 4 or 6.
	UnderlayIP int `yaml:"underlay_ip" json:"underlay_ip"`
	// TunnelTypes are vxlan, gre, geneve, in the order in which tenant networks
	// take them.
	TunnelTypes []string `yaml:"tunnel_types" json:"tunnel_types"`
	// PhysicalNetworks exist on every host that does not choose its own.
	PhysicalNetworks []PhysicalNetwork `yaml:"physical_networks" json:"physical_networks"`
	// Controller and Agent are merged over the configuration that the lab
	// writes for the programs; their keys are those of the programs' files.
	Controller map[string]any `yaml:"controller" json:"controller,omitempty"`
	Agent      map[string]any `yaml:"agent" json:"agent,omitempty"`
	// Etcd are more options for the members of etcd's cluster.
	Etcd  []string   `yaml:"etcd" json:"etcd,omitempty"`
	Hosts []HostSpec `yaml:"hosts" json:"hosts"`
}

// PhysicalNetwork is a switch that hosts reach through a provider bridge.
type PhysicalNetwork struct {
	Name string `yaml:"name" json:"name"`
	// Bridge is the provider bridge on the hosts, at most 11 characters, so
	// that int-<bridge> fits an interface name. Default br-<name>.
	Bridge string `yaml:"bridge" json:"bridge"`
	// Gateway joins the network's bridges over VXLAN instead of cables, and
	// leads from it to a namespace that plays the internet.
	Gateway *Gateway `yaml:"gateway" json:"gateway,omitempty"`
}

// HostSpec is a host, or a number of like hosts.
type HostSpec struct {
	Name string `yaml:"name" json:"name"`
	// Count makes hosts name1 … nameN instead of one called name.
	Count int      `yaml:"count" json:"count,omitempty"`
	Roles []string `yaml:"roles" json:"roles"`
	// PhysicalNetworks names those the host is cabled to; absent: all.
	PhysicalNetworks *[]string      `yaml:"physical_networks" json:"physical_networks,omitempty"`
	Agent            map[string]any `yaml:"agent" json:"agent,omitempty"`
}

// Topologies lists the names of the topologies that come with Lepton.
func Topologies() []string {
	files, err := fs.Glob(embedded, "topologies/*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return files
}

// LoadTopology reads the topology of that name, or else the file.
func LoadTopology(nameOrFile string) (Topology, error) {
	name := nameOrFile
	text, err := embedded.ReadFile("topologies/" + nameOrFile + ".yaml")
	if err != nil {
		text, err = os.ReadFile(nameOrFile)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Topology{}, fail(ErrUsage, "topology %q is neither a file nor one of %s",
			nameOrFile, strings.Join(Topologies(), ", "))
	}
	if err != nil {
		return Topology{}, fmt.Errorf("read topology: %w", err)
	}
	return ParseTopology(name, text)
}

// ParseTopology reads YAML text; name stands for the file in errors. Unknown
// keys are refused with their line. The result is complete: defaults are
// filled in and counted hosts are written out.
func ParseTopology(name string, text []byte) (Topology, error) {
	t := Topology{}
	if err := config.Parse(name, text, &t); err != nil {
		return Topology{}, fail(ErrUsage, "read topology: %w", err)
	}
	t = t.complete()
	if err := t.Validate(); err != nil {
		return Topology{}, fail(ErrUsage, "topology %s: %w", name, err)
	}
	return t, nil
}

// complete fills in defaults and writes counted hosts out.
func (t Topology) complete() Topology {
	if t.MTU == 0 {
		t.MTU = 1500
	}
	if t.Datapath == "" {
		t.Datapath = "auto"
	}
	if t.UnderlayIP == 0 {
		t.UnderlayIP = 4
	}
	if t.TunnelTypes == nil {
		t.TunnelTypes = []string{"vxlan", "gre", "geneve"}
	}
	t.PhysicalNetworks = slices.Clone(t.PhysicalNetworks)
	for i, p := range t.PhysicalNetworks {
		if p.Bridge == "" {
			t.PhysicalNetworks[i].Bridge = "br-" + p.Name
		}
	}
	var hosts []HostSpec
	for _, h := range t.Hosts {
		if h.Count <= 0 || h.Count > maxHosts {
			hosts = append(hosts, h)
			continue
		}
		n := h.Count
		h.Count = 0
		for i := 1; i <= n; i++ {
			one := h
			one.Name = fmt.Sprintf("%s%d", h.Name, i)
			hosts = append(hosts, one)
		}
	}
	t.Hosts = hosts
	return t
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// Validate names everything in the topology that cannot be built.
func (t Topology) Validate() error {
	var e config.Errors
	if t.MTU < 1280 || t.MTU > 9216 {
		e.Add("mtu", "%d is not between 1280 and 9216", t.MTU)
	}
	if !slices.Contains([]string{"auto", "netdev", "system"}, t.Datapath) {
		e.Add("datapath", "%q is not auto, netdev or system", t.Datapath)
	}
	if t.UnderlayIP != 4 && t.UnderlayIP != 6 {
		e.Add("underlay_ip", "%d is not 4 or 6", t.UnderlayIP)
	}
	for _, typ := range t.TunnelTypes {
		if !model.NetworkType(typ).Tunneled() {
			e.Add("tunnel_types", "%q is not vxlan, gre or geneve", typ)
		}
	}
	t.validatePhysicalNetworks(&e)
	t.validateHosts(&e)
	t.validateGateways(&e)
	return e.Err()
}

func (t Topology) validatePhysicalNetworks(e *config.Errors) {
	seen := map[string]bool{"br-int": true, "br-tun": true, underlayBridge: true}
	for _, p := range t.PhysicalNetworks {
		switch {
		case !nameForm.MatchString(p.Name):
			e.Add("physical_networks", "%q is not a name of lower-case letters, digits and hyphens", p.Name)
		case len(p.Bridge) > 11:
			e.Add("physical_networks", "bridge %q of %s is longer than 11 characters: set bridge", p.Bridge, p.Name)
		case !nameForm.MatchString(p.Bridge):
			e.Add("physical_networks", "bridge %q of %s is not a name of lower-case letters, digits and hyphens", p.Bridge, p.Name)
		case seen[p.Name] || seen[p.Bridge]:
			e.Add("physical_networks", "%s with bridge %s is there twice", p.Name, p.Bridge)
		}
		seen[p.Name], seen[p.Bridge] = true, true
	}
}

func (t Topology) validateHosts(e *config.Errors) {
	if len(t.Hosts) == 0 || len(t.Hosts) > maxHosts {
		e.Add("hosts", "%d hosts, want 1 to %d", len(t.Hosts), maxHosts)
	}
	controllers, seen := 0, map[string]bool{fabricName: true, internetName: true}
	for _, h := range t.Hosts {
		if !nameForm.MatchString(h.Name) {
			e.Add("hosts", "%q is not a name of lower-case letters, digits and hyphens", h.Name)
		}
		if seen[h.Name] {
			e.Add("hosts", "%s is there twice or reserved", h.Name)
		}
		seen[h.Name] = true
		if h.Count != 0 {
			e.Add("hosts", "%s: count %d is not between 1 and %d", h.Name, h.Count, maxHosts)
		}
		if len(h.Roles) == 0 {
			e.Add("hosts", "%s has no roles", h.Name)
		}
		for _, r := range h.Roles {
			if !slices.Contains([]string{RoleController, RoleNetwork, RoleCompute}, r) {
				e.Add("hosts", "%s: %q is not a role: controller, network or compute", h.Name, r)
			}
		}
		if h.has(RoleController) {
			controllers++
		}
		if h.PhysicalNetworks == nil {
			continue
		}
		for _, name := range *h.PhysicalNetworks {
			if !slices.ContainsFunc(t.PhysicalNetworks, func(p PhysicalNetwork) bool { return p.Name == name }) {
				e.Add("hosts", "%s: physical network %q is not described under physical_networks", h.Name, name)
			}
		}
	}
	if controllers < 1 || controllers > maxControllers {
		e.Add("hosts", "%d hosts have the role controller, want 1 to %d", controllers, maxControllers)
	}
}

func (h HostSpec) has(role string) bool { return slices.Contains(h.Roles, role) }

// physicalNetworks gives those that the host is cabled to.
func (t Topology) physicalNetworks(h HostSpec) []PhysicalNetwork {
	if h.PhysicalNetworks == nil {
		return t.PhysicalNetworks
	}
	var out []PhysicalNetwork
	for _, p := range t.PhysicalNetworks {
		if slices.Contains(*h.PhysicalNetworks, p.Name) {
			out = append(out, p)
		}
	}
	return out
}
