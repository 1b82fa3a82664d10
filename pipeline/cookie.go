package pipeline

import (
	"fmt"
	"hash/fnv"
)

// A cookie says whose a flow is:
//
//	0x1e  ff  oooooooooooo
//	mark  feature  object
//
// The mark tells Lepton's flows from foreign ones. The object is the first
// twelve hexadecimal digits of the API object's UUID (without its hyphen), so
// that
//
//	ovs-ofctl dump-flows br-int | grep 4f1d2a7b93c0
//
// finds what the port 4f1d2a7b-93c0-… caused.
const (
	cookieMark  = uint64(0x1e) << 56
	markMask    = uint64(0xff) << 56
	objectBits  = 48
	objectMask  = uint64(1)<<objectBits - 1
	featureMask = uint64(0xff) << objectBits
)

// Feature is the part of the pipeline that caused a flow. Numbers are never
// given a new meaning: cookies outlive programs.
type Feature uint8

// The features.
const (
	FeatureNone      Feature = iota
	FeatureBase              // holds for the whole bridge, no object
	FeatureCanary            // the canary flow; the object is the pipeline's version
	FeatureNetwork           // a network's classification and flooding
	FeatureProvider          // a network's translation on the provider bridge
	FeatureTunnel            // a network's tunnel id; a tunnel port, the object is a hash of the host's name
	FeaturePort              // a port's classification
	FeatureIdentity          // a port's addresses: anti-spoofing
	FeatureDelivery          // unicast to a port
	FeatureResponder         // ARP and ND answers for a port
	FeatureLearned           // made by the switch itself from a packet; the object is the network
	FeatureFilter            // a port's security groups
	FeatureGroup             // a security group's remote groups
	FeatureRule              // a security group rule
	FeatureMember            // an address of a remote group; the object is the member port, or the address group
	FeatureLog               // copies of a port's packets for logs
	FeatureAsk               // a port's questions that the agent answers, or that pass its meter on their way to servers
	FeatureRouter            // a distributed router's interface, where its packets leave and reach the host
	FeatureMetadata          // a port's requests for metadata that the host answers; what servers on the network say of the service's IPv6 address
	numFeatures
)

func (f Feature) String() string {
	names := [numFeatures]string{
		"none", "base", "canary", "network", "provider", "tunnel", "port",
		"identity", "delivery", "responder", "learned",
		"filter", "group", "rule", "member", "log", "ask", "router", "metadata",
	}
	if f < numFeatures {
		return names[f]
	}
	return fmt.Sprintf("feature %d", uint8(f))
}

// Cookie gives the cookie of a feature's flow for the API object with this
// UUID. An id that is not a UUID counts by a hash of its text; an empty id
// gives object 0.
func Cookie(f Feature, id string) uint64 {
	return cookieMark | uint64(f)<<objectBits | object(id)
}

// Mark gives the cookie and the mask that choose all of Lepton's flows.
func Mark() (cookie, mask uint64) { return cookieMark, markMask }

// RuleFlows gives the cookie and the mask that choose the flows of all security
// group rules.
func RuleFlows() (cookie, mask uint64) { return Cookie(FeatureRule, ""), markMask | featureMask }

// SameObject reports whether the digits that Explain gave are those of the
// object with this id.
func SameObject(digits, id string) bool {
	return id != "" && digits == fmt.Sprintf("%012x", object(id))
}

// Ours reports whether a flow with this cookie is Lepton's.
func Ours(cookie uint64) bool { return cookie&markMask == cookieMark }

// Learned reports whether the switch made the flow with this cookie from a
// packet. Such flows are never part of a Program; Program.Keeps says which of
// them may stay.
func Learned(cookie uint64) bool {
	return Ours(cookie) && cookie&featureMask == uint64(FeatureLearned)<<objectBits
}

// Explain reads a cookie: the feature, and the first twelve hexadecimal digits
// of the object's UUID without hyphen, "" for none. The last result is false
// for a foreign cookie.
func Explain(cookie uint64) (Feature, string, bool) {
	if !Ours(cookie) {
		return FeatureNone, "", false
	}
	f := Feature(cookie & featureMask >> objectBits)
	if cookie&objectMask == 0 {
		return f, "", true
	}
	return f, fmt.Sprintf("%012x", cookie&objectMask), true
}

// object gives the 48 bits that stand for an id.
func object(id string) uint64 {
	var v uint64
	digits := 0
	for i := 0; i < len(id) && digits < 12; i++ {
		var d byte
		switch c := id[i]; {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c >= 'a' && c <= 'f':
			d = c - 'a' + 10
		case c == '-' && digits == 8:
			continue
		default:
			return hashed(id)
		}
		v = v<<4 | uint64(d)
		digits++
	}
	if digits < 12 {
		return hashed(id)
	}
	return v
}

func hashed(id string) uint64 {
	if id == "" {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(id))
	return h.Sum64() & objectMask
}
