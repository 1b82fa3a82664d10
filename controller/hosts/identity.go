package hosts

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// checkIdentity refuses an agent that claims a host which its verified
// certificate does not carry as a DNS name. Names are compared exactly, and
// wildcards name nobody.
func checkIdentity(ctx context.Context, host string) error {
	p, _ := peer.FromContext(ctx)
	var names []string
	if p != nil {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
			names = info.State.VerifiedChains[0][0].DNSNames
		}
	}
	if slices.Contains(names, host) {
		return nil
	}
	return rpc.Refuse(pb.Refusal_REASON_IDENTITY, host,
		"agent claims host %s, its certificate is for %s", host, orNone(names))
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no host"
	}
	return strings.Join(names, ", ")
}
