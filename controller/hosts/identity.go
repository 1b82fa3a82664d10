package hosts

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/rpc/pb"
)

// expelEvery is how often the certificates of open streams are held against the
// list of revoked ones.
const expelEvery = 2 * time.Second

// checkIdentity refuses an agent that claims a host which its verified
// certificate does not carry as a DNS name, and one whose certificate was
// revoked since the connection began. Names are compared exactly, and wildcards
// name nobody.
func (s *Server) checkIdentity(ctx context.Context, host string) error {
	if s.cfg.Keys == nil {
		return nil
	}
	chain := chainOf(ctx)
	var names []string
	if len(chain) > 0 {
		names = chain[0].DNSNames
	}
	if !slices.Contains(names, host) {
		return rpc.Refuse(pb.Refusal_REASON_IDENTITY, host,
			"agent claims host %s, its certificate is for %s", host, orNone(names))
	}
	if err := s.cfg.Keys.Check(chain); err != nil {
		return rpc.Refuse(pb.Refusal_REASON_IDENTITY, host, "%s", err)
	}
	return nil
}

// checkRoles refuses an agent that claims a role which its certificate is not
// for. A host of role l3 or dhcp is given routers and networks, and with them the
// records of others; one of role metadata the secret that is shared with Nova.
func (s *Server) checkRoles(ctx context.Context, a *model.Agent) error {
	chain := chainOf(ctx)
	if s.cfg.Keys == nil || len(chain) == 0 {
		return nil
	}
	may := pki.RolesOf(chain[0])
	for _, role := range a.Roles {
		if len(may) > 0 && !slices.Contains(may, role) {
			return rpc.Refuse(pb.Refusal_REASON_IDENTITY, a.Host,
				"agent of host %s claims role %s, its certificate is for %s", a.Host, role, strings.Join(may, ", "))
		}
	}
	return nil
}

// chainOf gives the verified certificates of the other end, its own first.
func chainOf(ctx context.Context) []*x509.Certificate {
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return nil
	}
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.VerifiedChains) > 0 {
		return info.State.VerifiedChains[0]
	}
	return nil
}

// expel ends the streams whose certificates have been revoked, until ctx is
// done: whoever holds one may have been connected before.
func (s *Server) expel(ctx context.Context) {
	if s.cfg.Keys == nil {
		return
	}
	tick := time.NewTicker(expelEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = s.hub.do(ctx, func() {
			for host, st := range s.hub.hosts {
				if err := s.cfg.Keys.Check(chainOf(st.ctx)); err != nil {
					st.cancel(rpc.Refuse(pb.Refusal_REASON_IDENTITY, host, "%s", err))
				}
			}
		})
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no host"
	}
	return strings.Join(names, ", ")
}
