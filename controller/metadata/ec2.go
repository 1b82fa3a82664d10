package metadata

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// latest stands for the newest version, of EC2 and of OpenStack.
const latest = "latest"

// ec2Versions are the versions of the EC2 tree, in order.
func ec2Versions() []string {
	return []string{
		"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
	}
}

// entry is a name in a directory of the tree.
type entry struct {
	name string
	// value is a text, or a directory: []entry.
	value any
	// shown is how a list of the directory has it; "" for the name, with a slash
	// behind that of a directory.
	shown string
	// since is the version in which it appeared; "" for the first.
	since string
}

// ec2 answers a request to the EC2 tree.
func ec2(g *Guest, parts []string) Reply {
	versions := ec2Versions()
	if len(parts) == 0 {
		return lines(append(versions, latest))
	}
	version := parts[0]
	if version == latest {
		version = versions[len(versions)-1]
	}
	if !slices.Contains(versions, version) {
		return refusal(http.StatusNotFound)
	}
	top := []entry{{name: "meta-data", value: ec2Tree(g)}}
	if len(g.UserData) > 0 {
		top = append(top, entry{name: "user-data", value: string(g.UserData)})
	}
	return walk(top, parts[1:], version)
}

// walk goes down the tree.
func walk(dir []entry, parts []string, version string) Reply {
	if len(parts) == 0 {
		var names []string
		for _, e := range dir {
			if e.since <= version {
				names = append(names, e.line())
			}
		}
		slices.Sort(names)
		return lines(names)
	}
	for _, e := range dir {
		if e.name != parts[0] || e.since > version {
			continue
		}
		switch v := e.value.(type) {
		case []entry:
			return walk(v, parts[1:], version)
		case string:
			if len(parts) == 1 {
				return valueReply(e.name, v)
			}
		}
	}
	return refusal(http.StatusNotFound)
}

func valueReply(name, v string) Reply {
	r := text(v)
	if name == "user-data" {
		r.ContentType = anyBytes
	}
	return r
}

func (e entry) line() string {
	switch {
	case e.shown != "":
		return e.shown
	case isDir(e.value):
		return e.name + "/"
	}
	return e.name
}

func isDir(v any) bool { _, ok := v.([]entry); return ok }

// ec2Tree is meta-data.
func ec2Tree(g *Guest) []entry {
	fixed, floating := g.first()
	tree := []entry{
		{name: "ami-id", value: ec2ID("ami", g.ImageID)},
		{name: "ami-launch-index", value: "0"},
		{name: "ami-manifest-path", value: "unknown"},
		{name: "instance-id", value: ec2ID("i", g.ID)},
		{name: "hostname", value: g.fqdn()},
		{name: "local-ipv4", value: fixed},
		{name: "reservation-id", value: ec2ID("r", g.ID)},
		{name: "security-groups", value: strings.Join(g.groups(), "\n")},
		{name: "local-hostname", value: g.fqdn(), since: "2007-01-19"},
		{name: "public-hostname", value: g.fqdn(), since: "2007-01-19"},
		{name: "public-ipv4", value: floating, since: "2007-01-19"},
		{name: "instance-type", value: g.InstanceType, since: "2007-08-29"},
		{name: "block-device-mapping", since: "2007-12-15", value: []entry{
			{name: "ami", value: "vda"}, {name: "root", value: "/dev/vda"},
		}},
		{name: "placement", since: "2008-02-01", value: []entry{{name: "availability-zone", value: g.zone()}}},
	}
	if len(g.Keys) > 0 {
		tree = append(tree, entry{name: "public-keys", value: ec2Keys(g)})
	}
	if len(g.NICs) > 0 {
		tree = append(tree,
			entry{name: "mac", since: "2009-04-04", value: g.NICs[0].Port.MAC.String()},
			entry{name: "network", since: "2009-04-04", value: []entry{
				{name: "interfaces", value: []entry{{name: "macs", value: ec2Interfaces(g)}}},
			}})
	}
	return tree
}

// ec2ID is an id in EC2's form: the kind and eight hexadecimal digits, which are
// the UUID's first.
func ec2ID(kind, id string) string {
	digits := strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'f' {
			return c
		}
		return -1
	}, strings.ToLower(id))
	return fmt.Sprintf("%s-%.8s", kind, digits+"00000000")
}

// ec2Keys are public-keys/: numbers, listed with the names of the keys.
func ec2Keys(g *Guest) []entry {
	var keys []entry
	for i, k := range g.Keys {
		n := strconv.Itoa(i)
		keys = append(keys, entry{name: n, shown: n + "=" + k.Name, value: []entry{{name: "openssh-key", value: k.Data + "\n"}}})
	}
	return keys
}

func ec2Interfaces(g *Guest) []entry {
	var macs []entry
	for i := range g.NICs {
		nic := &g.NICs[i]
		dir := []entry{
			{name: "device-number", value: strconv.Itoa(i)},
			{name: "interface-id", value: ec2ID("eni", nic.Port.ID)},
			{name: "local-hostname", value: g.fqdn()},
			{name: "mac", value: nic.Port.MAC.String()},
			{name: "security-groups", value: strings.Join(nic.Groups, "\n")},
		}
		dir = append(dir, ec2Addresses(nic)...)
		macs = append(macs, entry{name: nic.Port.MAC.String(), value: dir})
	}
	return macs
}

func ec2Addresses(nic *NIC) []entry {
	var dir []entry
	var floating []string
	for _, a := range nic.addresses(false) {
		if f, ok := nic.Floating[a]; ok {
			floating = append(floating, f.String())
		}
	}
	add := func(name string, values []string) {
		if len(values) > 0 {
			dir = append(dir, entry{name: name, value: strings.Join(values, "\n")})
		}
	}
	add("local-ipv4s", addrTexts(nic.addresses(false)))
	add("public-ipv4s", floating)
	add("ipv6s", addrTexts(nic.addresses(true)))
	for _, v6 := range []bool{false, true} {
		name := map[bool]string{false: "subnet-ipv4-cidr-block", true: "subnet-ipv6-cidr-blocks"}[v6]
		var cidrs []string
		for _, f := range nic.Port.FixedIPs {
			if s := nic.Subnets[f.SubnetID]; s != nil && f.IP.Is6() == v6 && !slices.Contains(cidrs, s.CIDR.String()) {
				cidrs = append(cidrs, s.CIDR.String())
			}
		}
		if !v6 {
			cidrs = cidrs[:min(len(cidrs), 1)]
		}
		add(name, cidrs)
	}
	return dir
}

func addrTexts(addrs []netip.Addr) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
