package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/pki"
	"github.com/lepton-sdn/lepton/rpc/pb"
	"github.com/lepton-sdn/lepton/test/e2e"
)

// What a thief sends is about objects of this cloud: one host's, and others'.
type estate struct {
	near, far, vault e2e.Guest // on hv1, on its network on hv2, on hv2 alone
	shared, alone    e2e.Network
	router           e2e.Router
	group, rule      string // the vault's
}

func (c *cloud) estate() estate {
	c.Helper()
	e := estate{shared: c.Network(nil), alone: c.Network(nil)}
	e.router = c.Router(nil, c.Subnet(e.shared, "10.7.0.0/24"))
	c.Subnet(e.alone, "10.8.0.0/24")
	var group struct {
		Group struct {
			ID    string
			Rules []struct{ ID string } `json:"security_group_rules"`
		} `json:"security_group"`
	}
	c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/security-groups", map[string]any{"security_group": map[string]any{"name": "vault"}}, &group))
	e.group, e.rule = group.Group.ID, group.Group.Rules[0].ID
	e.near, e.far = c.Guest("hv1", "near", e.shared), c.Guest("hv2", "far", e.shared)
	e.vault = c.Plug("hv2", "vault", c.Port(e.alone, e2e.Attributes{"security_groups": []string{e.group}}))
	c.AllReach(e.near, e.far)
	return e
}

// truth is all that a thief on hv1 must not be able to change, as the API tells
// it. What it tells of times and of heartbeats is left out.
func (c *cloud) truth(e estate) map[string]string {
	c.Helper()
	out := map[string]string{}
	for _, path := range []string{
		"/v2.0/ports/" + e.far.Port.ID, "/v2.0/ports/" + e.vault.Port.ID, "/v2.0/networks/" + e.shared.ID, "/v2.0/routers/" + e.router.ID,
		"/v2.0/ports/" + e.far.Port.ID + "/lepton-realization", "/v2.0/ports/" + e.vault.Port.ID + "/lepton-realization",
		"/v2.0/routers/" + e.router.ID + "/lepton-realization", "/v2.0/networks/" + e.shared.ID + "/lepton-realization",
	} {
		out[path] = c.get(path)
	}
	return out
}

const topology = `
mtu: 1500
tunnel_types: [vxlan]
hosts:
  - { name: net1, roles: [controller, network], agent: { roles: [l2, l3, dhcp] } }
  - { name: hv1, roles: [compute] }
  - { name: hv2, roles: [compute] }
`

func TestAStolenCertificateIsItsHostAndNoOther(t *testing.T) {
	c := &cloud{e2e.Start(t, topology)}
	e := c.estate()
	c.AwaitInSync("net1", "hv1", "hv2")
	c.certs("renew", "hv1", "--role", "l2")
	stolen := c.steal("hv1")
	th := c.as(stolen)
	mine, err := os.ReadFile(c.file("hv1", "agent", "instance"))
	c.Must(err)
	instance, other := strings.TrimSpace(string(mine)), "11111111-2222-4333-8444-555555555555"

	t.Run("it does not open another host's stream", func(t *testing.T) {
		th := c.in(t).as(stolen)
		th.refused(c.hello("hv2", other), "agent claims host hv2, its certificate is for hv1", "agent refused", "hv2", "its certificate is for hv1")
		th.refused(c.hello("net1", other, "l3", "dhcp"), "agent claims host net1, its certificate is for hv1", "agent refused", "net1")
		th.refused(th.hello("hv1", instance, "dhcp"), "agent of host hv1 claims role dhcp, its certificate is for l2", "agent refused", "hv1", "role dhcp")
		th.refused(th.hello("hv1", instance, "metadata"), "role metadata", "agent refused", "hv1", "role metadata")
		th.refused(th.hello("", other), "introduction: host", "agent refused", "introduction: host")
	})
	t.Run("it asks for the metadata of its own guests only", func(t *testing.T) {
		th := c.in(t).as(stolen)
		client := th.client()
		ask := func(host, port string) (*pb.MetadataReply, error) {
			return client.Metadata(t.Context(), &pb.MetadataRequest{Host: host, PortId: port, Method: "GET", Path: "/openstack/latest/user_data"})
		}
		since := len(th.log("net1", "controller"))
		if _, err := ask("hv2", e.far.Port.ID); status.Code(err) != codes.PermissionDenied {
			t.Errorf("as hv2: %v", err)
		}
		th.logs(since, "request of a guest refused", "hv2", "its certificate is for hv1")
		for _, port := range []string{e.far.Port.ID, e.vault.Port.ID} {
			if r, err := ask("hv1", port); err != nil || r.GetStatus() != 404 || len(r.GetBody()) > 200 {
				t.Errorf("as hv1, of hv2's guest: %v, %v", r, err)
			}
		}
	})
	t.Run("it takes no host that has its agent", func(t *testing.T) {
		th := c.in(t).as(stolen)
		th.refused(c.hello("hv1", other), "host hv1 is taken", "agent refused", "hv1", "is taken")
		th.refused(c.hello("hv1", instance), "host hv1 is taken by another process", "agent refused", "hv1", "is taken by another process")
		if log := th.log("net1", "controller"); strings.Contains(log, "agent disconnected") {
			t.Error("an agent lost its stream")
		}
		if problems := th.get("/v2.0/agents"); !strings.Contains(problems, "also claims host hv1") {
			t.Errorf("operators do not see it: %s", problems)
		}
	})
	t.Run("other certificates are none", func(t *testing.T) { c.in(t).refusesOthers(stolen) })

	// The thief has the state directory too, and the agent is dead.
	c.Must(c.Lab.Stop(c.Context(), "hv1", "agent", true))
	s, err := th.open(c.hello("hv1", instance))
	c.Must(err)
	t.Run("it reads its host's records only", func(t *testing.T) {
		ids := s.told()
		for what, id := range map[string]string{"network": e.alone.ID, "port": e.vault.Port.ID, "group": e.group, "rule": e.rule} {
			if ids[id] {
				t.Errorf("it is told of the %s that only hv2 has", what)
			}
		}
		if !ids[e.near.Port.ID] || !ids[e.shared.ID] {
			t.Error("it is not told of its own port: this test sees nothing")
		}
	})
	t.Run("it reports on its host only", func(t *testing.T) {
		c := c.in(t)
		before, since := c.truth(e), len(c.log("net1", "controller"))
		s.report(&pb.Report{
			Sequence: 1,
			Statuses: []*pb.PortStatus{
				{PortId: e.far.Port.ID, State: "ERROR", Revision: 99, Error: "stolen"},
				{PortId: e.vault.Port.ID, State: "DOWN", Revision: 99},
				{PortId: e.near.Port.ID, State: "ERROR", Revision: 99, Error: "stolen"},
			},
			Objects: []*pb.ObjectStatus{
				{Kind: "router", Id: e.router.ID, State: "ERROR", Revision: 99, Error: "stolen"},
				{Kind: "router-ha", Id: e.router.ID, State: "CLAIMS"},
				{Kind: "dhcp", Id: e.shared.ID, State: "ERROR", Error: "stolen"},
				{Kind: "dhcp-port", Id: e.near.Port.ID, State: "ERROR", Error: "stolen"},
			},
			Rules: []*pb.RuleCounter{{Digits: strings.ReplaceAll(e.rule, "-", "")[:12], Packets: 1 << 40, Bytes: 1 << 50, ReadUnixNano: time.Now().UnixNano()}},
		})
		c.Must(s.stream.Send(&pb.AgentMessage{Body: &pb.AgentMessage_Heartbeat{Heartbeat: &pb.Heartbeat{Devices: 7, InSync: true, Problems: []*pb.Problem{{Object: "x", Text: "stolen"}}}}}))
		c.logs(since, "report left out", "hv1", e.far.Port.ID)
		c.logs(since, "report left out", "hv1", "router:"+e.router.ID)
		c.Eventually("what it says of its own port is taken", func() error {
			if got := c.get("/v2.0/ports/" + e.near.Port.ID + "/lepton-realization"); !strings.Contains(got, "stolen") {
				return errorText(got)
			}
			return nil
		})
		for path, was := range before {
			if now := c.get(path); now != was {
				t.Errorf("%s was %s and is %s", path, was, now)
			}
		}
		if got := c.get("/v2.0/security-group-rules/" + e.rule + "/lepton-stats"); !strings.Contains(got, "packets:0") {
			t.Errorf("it counts for a rule of hv2: %s", got)
		}
		c.AllReach(e.near, e.far)
	})
	t.Run("it is shut out when it is revoked", func(t *testing.T) { c.in(t).shutOut(s, stolen, e) })
}

type errorText string

func (e errorText) Error() string { return string(e) }

// refusesOthers tries certificates that the controller is not to believe.
func (c *cloud) refusesOthers(stolen pki.Files) {
	c.Helper()
	dir := filepath.Join(c.Lab.Plan().Dir, "pki")
	ours, err := pki.LoadCA(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	c.Must(err)
	theirs, err := pki.NewCA("another cloud")
	c.Must(err)
	issue := func(ca *pki.CA, r pki.Request) pki.Files {
		d := c.TempDir()
		f := pki.Files{Cert: filepath.Join(d, "cert.pem"), Key: filepath.Join(d, "key.pem"), CA: stolen.CA}
		pair, err := ca.Issue(r)
		c.Must(err)
		c.Must(pair.Save(f.Cert, f.Key))
		return f
	}
	for _, tc := range []struct {
		files  pki.Files
		logged []string
	}{
		{issue(theirs, pki.Request{Names: []string{"hv1"}}), []string{"connection refused", "hv1 serial", "unknown authority"}},
		{issue(ours, pki.Request{Names: []string{"hv1"}, Lifetime: time.Nanosecond}), []string{"connection refused", "hv1 serial", "expired"}},
		{c.webServers("hv1"), []string{"connection refused", "hv1 serial", "incompatible key usage"}},
		{pki.Files{CA: stolen.CA}, []string{"connection refused", "didn't provide a certificate"}},
	} {
		c.as(tc.files).refused(c.hello("hv1", "x"), "", tc.logged...)
	}
	(&thief{c, insecure.NewCredentials()}).refused(c.hello("hv1", "x"), "", "connection refused", "first record does not look like a TLS handshake")
}

// webServers is a certificate of our authority that is for servers only.
func (c *cloud) webServers(name string) pki.Files {
	c.Helper()
	dir := filepath.Join(c.Lab.Plan().Dir, "pki")
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	c.Must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.Must(err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca.Leaf, key.Public(), ca.PrivateKey)
	c.Must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	c.Must(err)
	f := pki.Files{Cert: filepath.Join(c.TempDir(), "cert.pem"), CA: filepath.Join(dir, "ca.pem")}
	f.Key = filepath.Join(filepath.Dir(f.Cert), "key.pem")
	c.Must(os.WriteFile(f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	c.Must(os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return f
}

// certs runs leptonctl certs on the lab's authority.
func (c *cloud) certs(args ...string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), filepath.Join(e2e.BinDir(), "leptonctl"),
		append(append([]string{"certs"}, args...), "--dir", filepath.Join(c.Lab.Plan().Dir, "pki"))...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.Fatalf("leptonctl certs %v: %v\n%s", args, err, out)
	}
}

// shutOut revokes hv1's certificates: the thief's stream ends, and the host's
// agent comes back with a new one.
func (c *cloud) shutOut(s *session, stolen pki.Files, e estate) {
	c.Helper()
	since := len(c.log("net1", "controller"))
	began := time.Now()
	c.certs("revoke", "hv1")
	if err := s.ended(); !strings.Contains(err.Error(), "was revoked") {
		c.Errorf("the stream ended with %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		c.Errorf("the stream went on for %s", took)
	}
	c.logs(since, "agent disconnected", "hv1", "was revoked")
	c.as(stolen).refused(c.hello("hv1", "x"), "", "connection refused", "hv1 serial", "was revoked")
	c.certs("renew", "hv1")
	c.Must(c.Lab.Start(c.Context(), "hv1", "agent"))
	c.AwaitInSync("hv1")
	c.Eventually("the host's port is as it was", func() error {
		if got := c.get("/v2.0/ports/" + e.near.Port.ID + "/lepton-realization"); strings.Contains(got, "stolen") {
			return errorText(got)
		}
		return nil
	})
	c.AllReach(e.near, e.far)
	c.AwaitInSync("hv2", "net1")
}
