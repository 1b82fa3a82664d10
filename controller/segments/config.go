package segments

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/model"
)

// Config is the part of the configuration's network section that concerns
// network types. The keys are those of Neutron's ML2 plugin.
type Config struct {
	// TenantNetworkTypes are tried in this order for networks whose type nobody
	// chose.
	TenantNetworkTypes []model.NetworkType `yaml:"tenant_network_types"`
	VXLAN              VNIConfig           `yaml:"vxlan"`
	Geneve             GeneveConfig        `yaml:"geneve"`
	GRE                GREConfig           `yaml:"gre"`
	VLAN               VLANConfig          `yaml:"vlan"`
	Flat               FlatConfig          `yaml:"flat"`
	// GlobalPhysnetMTU is the MTU of the physical networks, in bytes of IP
	// packet.
	GlobalPhysnetMTU int `yaml:"global_physnet_mtu"`
	// PathMTU is that of the path between tunnel endpoints, 0 when it is no
	// smaller than that of the physical networks.
	PathMTU int `yaml:"path_mtu"`
	// PhysicalNetworkMTUs is physical network → MTU, where it is smaller.
	PhysicalNetworkMTUs map[string]int `yaml:"physical_network_mtus"`
	// OverlayIPVersion is the IP version between tunnel endpoints, 4 or 6.
	OverlayIPVersion int `yaml:"overlay_ip_version"`
}

// VNIConfig is about VXLAN.
type VNIConfig struct {
	// VNIRanges are the VNIs for project networks, "first:last".
	VNIRanges []string `yaml:"vni_ranges"`
}

// GeneveConfig is about Geneve.
type GeneveConfig struct {
	// VNIRanges are the VNIs for project networks, "first:last".
	VNIRanges []string `yaml:"vni_ranges"`
	// MaxHeaderSize is how many bytes the encapsulation takes at most, the outer
	// IP header not counted.
	MaxHeaderSize int `yaml:"max_header_size"`
}

// GREConfig is about GRE.
type GREConfig struct {
	// TunnelIDRanges are the GRE keys for project networks, "first:last".
	TunnelIDRanges []string `yaml:"tunnel_id_ranges"`
}

// VLANConfig is about VLAN networks.
type VLANConfig struct {
	// NetworkVLANRanges are "physnet:first:last" for project networks, and plain
	// "physnet" for physical networks that only administrators use.
	NetworkVLANRanges []string `yaml:"network_vlan_ranges"`
}

// FlatConfig is about flat networks.
type FlatConfig struct {
	// FlatNetworks are the physical networks that may carry one; "*" is any.
	FlatNetworks []string `yaml:"flat_networks"`
}

// Default is the configuration of a controller that was told nothing.
func Default() Config {
	return Config{
		TenantNetworkTypes: []model.NetworkType{model.VXLAN},
		VXLAN:              VNIConfig{VNIRanges: []string{"1:16777215"}},
		Geneve:             GeneveConfig{VNIRanges: []string{"1:16777215"}, MaxHeaderSize: geneveHeader},
		GRE:                GREConfig{TunnelIDRanges: []string{"1:4294967295"}},
		VLAN:               VLANConfig{NetworkVLANRanges: []string{"physnet1:100:200"}},
		Flat:               FlatConfig{FlatNetworks: []string{anyPhysnet}},
		GlobalPhysnetMTU:   1500,
		OverlayIPVersion:   4,
	}
}

const (
	anyPhysnet = "*"

	// maxVLAN is the highest usable 802.1Q VLAN id.
	maxVLAN = 4094
	// maxVNI is the highest 24-bit VNI (RFC 7348, RFC 8926).
	maxVNI = 1<<24 - 1
	// maxGREKey is the highest 32-bit key (RFC 2890).
	maxGREKey = 1<<32 - 1

	// minMTU is the least MTU of IPv4 (RFC 791); maxMTU what an IP length
	// field can say.
	minMTU = 68
	maxMTU = 65535
)

// Validate checks every key. Its errors name the key and the value.
func (c *Config) Validate() error {
	_, err := New(*c)
	return err
}

func (c *Config) checkTypes() error {
	seen := map[model.NetworkType]bool{}
	for _, t := range c.TenantNetworkTypes {
		switch t {
		case model.Local, model.VLAN, model.VXLAN, model.GRE, model.Geneve:
		case model.Flat:
			return fmt.Errorf("check tenant_network_types: %q: flat networks have no ids to hand out, only an administrator can make them", t)
		default:
			return fmt.Errorf("check tenant_network_types: %q is not one of local, vlan, vxlan, gre, geneve", t)
		}
		if seen[t] {
			return fmt.Errorf("check tenant_network_types: %q appears twice", t)
		}
		seen[t] = true
	}
	return nil
}

func (c *Config) checkMTUs() error {
	if c.OverlayIPVersion != 4 && c.OverlayIPVersion != 6 {
		return fmt.Errorf("check overlay_ip_version: %d is neither 4 nor 6", c.OverlayIPVersion)
	}
	if c.GlobalPhysnetMTU < minMTU || c.GlobalPhysnetMTU > maxMTU {
		return fmt.Errorf("check global_physnet_mtu: %d is not between %d and %d", c.GlobalPhysnetMTU, minMTU, maxMTU)
	}
	if c.PathMTU != 0 && (c.PathMTU < minMTU || c.PathMTU > maxMTU) {
		return fmt.Errorf("check path_mtu: %d is neither 0 nor between %d and %d", c.PathMTU, minMTU, maxMTU)
	}
	if c.Geneve.MaxHeaderSize < geneveHeader || c.Geneve.MaxHeaderSize > 256 {
		return fmt.Errorf("check geneve.max_header_size: %d is not between %d and 256", c.Geneve.MaxHeaderSize, geneveHeader)
	}
	for name, mtu := range c.PhysicalNetworkMTUs {
		if err := checkPhysnet(name); err != nil {
			return fmt.Errorf("check physical_network_mtus: %w", err)
		}
		if mtu < minMTU || mtu > maxMTU {
			return fmt.Errorf("check physical_network_mtus: %s: %d is not between %d and %d", name, mtu, minMTU, maxMTU)
		}
	}
	return nil
}

func checkPhysnet(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a physical network has no name")
	case len(name) > 64:
		return fmt.Errorf("%q: the name of a physical network has at most 64 bytes", name)
	case strings.ContainsAny(name, "/: \t\n"):
		return fmt.Errorf("%q: the name of a physical network has no blank, colon or slash", name)
	}
	return nil
}

// idRange is an inclusive range of segment ids on a physical network ("" for
// tunnels).
type idRange struct {
	physnet     string
	first, last uint32
}

// parseRange reads "first:last" with 1 ≤ first ≤ last ≤ most.
func parseRange(s string, most uint32) (idRange, error) {
	from, to, ok := strings.Cut(s, ":")
	if !ok {
		return idRange{}, fmt.Errorf("%q is not of the form first:last", s)
	}
	var r idRange
	var err error
	if r.first, err = parseID(from, most); err != nil {
		return idRange{}, fmt.Errorf("%q: %w", s, err)
	}
	if r.last, err = parseID(to, most); err != nil {
		return idRange{}, fmt.Errorf("%q: %w", s, err)
	}
	if r.first > r.last {
		return idRange{}, fmt.Errorf("%q: the first id is above the last", s)
	}
	return r, nil
}

func parseID(s string, most uint32) (uint32, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 1 || n > uint64(most) {
		return 0, fmt.Errorf("%q is not between 1 and %d", s, most)
	}
	return uint32(n), nil
}

func parseRanges(key string, entries []string, most uint32) ([]idRange, error) {
	ranges := make([]idRange, 0, len(entries))
	for _, e := range entries {
		r, err := parseRange(strings.TrimSpace(e), most)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", key, err)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// parseVLANs reads network_vlan_ranges: the ranges and the names of all
// physical networks in them.
func parseVLANs(entries []string) (ranges []idRange, physnets []string, err error) {
	for _, e := range entries {
		name, ids, ranged := strings.Cut(strings.TrimSpace(e), ":")
		if err := checkPhysnet(name); err != nil {
			return nil, nil, fmt.Errorf("check vlan.network_vlan_ranges: %q: %w", e, err)
		}
		if !slices.Contains(physnets, name) {
			physnets = append(physnets, name)
		}
		if !ranged {
			continue
		}
		r, err := parseRange(ids, maxVLAN)
		if err != nil {
			return nil, nil, fmt.Errorf("check vlan.network_vlan_ranges: %q: %w", e, err)
		}
		r.physnet = name
		ranges = append(ranges, r)
	}
	return ranges, physnets, nil
}
