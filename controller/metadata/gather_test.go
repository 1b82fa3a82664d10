package metadata

import (
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store/mem"
)

// cloud is a database with a network, and two ports of one device.
func cloud(t *testing.T) (*records.DB, *plugin.Plugin) {
	t.Helper()
	db, err := records.Open(t.Context(), mem.New(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	p, err := plugin.New(plugin.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Update(t.Context(), func(u *records.Update) error {
		records.Networks.Put(u, &model.Network{Meta: model.Meta{ID: "n"}, MTU: 1450, DNSDomain: "lab.example."})
		records.Subnets.Put(u, subnet("s", "10.1.0.0/24", nil))
		for i, id := range []string{"p2", "p1", "foreign"} {
			port := &model.Port{
				Meta: model.Meta{ID: id, ProjectID: "one", Name: "Port " + id, CreatedAt: time.Unix(int64(i), 0)}, NetworkID: "n",
				DeviceID: "device", FixedIPs: []model.FixedIP{{SubnetID: "s", IP: netip.MustParseAddr("10.1.0.5")}}, SecurityGroups: []string{"g"},
			}
			if id == "foreign" {
				port.ProjectID = "two"
			}
			records.Ports.Put(u, port)
		}
		records.SecurityGroups.Put(u, &model.SecurityGroup{Meta: model.Meta{ID: "g", Name: "web"}})
		records.FloatingIPs.Put(u, &model.FloatingIP{
			Meta: model.Meta{ID: "f"}, PortID: "p1", FixedIP: netip.MustParseAddr("10.1.0.5"), FloatingIP: netip.MustParseAddr("203.0.113.9"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db, p
}

func gathered(t *testing.T, db *records.DB, port string) (g Guest, ok bool) {
	t.Helper()
	err := db.Read(t.Context(), func(r records.Reader) error {
		g, ok = Gather(r, port, "default.example")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return g, ok
}

func TestAPortWithoutARecordIsToldOfItsDevice(t *testing.T) {
	db, _ := cloud(t)
	g, ok := gathered(t, db, "p1")
	if !ok || g.Recorded || g.ID != "device" || g.fqdn() != "port-p1.lab.example" {
		t.Fatalf("guest %+v, %t", g, ok)
	}
	// In the order in which they were made, and none of another project.
	if len(g.NICs) != 2 || g.NICs[0].Port.ID != "p2" || g.NICs[1].Port.ID != "p1" {
		t.Errorf("NICs %v", g.NICs)
	}
	if fixed, floating := g.first(); fixed != "10.1.0.5" || floating != "203.0.113.9" || len(g.groups()) != 1 {
		t.Errorf("%s %s %v", fixed, floating, g.groups())
	}
	if _, ok := gathered(t, db, "none"); ok {
		t.Error("there is a guest on no port")
	}
}

func TestAnInstanceRecordSaysWhatItsPortsAre(t *testing.T) {
	db, p := cloud(t)
	who := plugin.Call{}
	who.Who.Admin = true
	_, err := db.Update(t.Context(), func(u *records.Update) error {
		s := &plugin.InstanceSpec{}
		s.ProjectID, s.Name, s.Ports = "one", "vm", []string{"p1"}
		_, err := p.CreateInstance(who, u, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	g, ok := gathered(t, db, "p1")
	if !ok || !g.Recorded || g.Hostname != "vm" || len(g.NICs) != 1 || g.NICs[0].Port.ID != "p1" {
		t.Fatalf("guest %+v, %t", g, ok)
	}
	if other, ok := gathered(t, db, "p2"); !ok || other.Recorded {
		t.Errorf("another port of the device: %+v, %t", other, ok)
	}
	post := func(password string) error {
		_, err := db.Update(t.Context(), func(u *records.Update) error { return p.SetInstancePassword(u, "p1", password) })
		return err
	}
	if err := post("first"); err != nil {
		t.Fatal(err)
	}
	if post("second") == nil {
		t.Error("a second password was taken")
	}
	if g, _ = gathered(t, db, "p1"); g.Password != "first" || g.Revision != 1 {
		t.Errorf("password %q, revision %d", g.Password, g.Revision)
	}
}

func TestAHostGetsAnswersAboutItsGuestsAndThoseThatItServes(t *testing.T) {
	db, p := cloud(t)
	_, err := db.Update(t.Context(), func(u *records.Update) error {
		p1, _ := records.Ports.Get(u, "p1")
		own := *p1
		own.Host = "its-own"
		records.Ports.Put(u, &own)
		records.Ports.Put(u, &model.Port{Meta: model.Meta{ID: "own"}, NetworkID: "n", Host: "with-another-guest"})
		records.Ports.Put(u, &model.Port{Meta: model.Meta{ID: "dhcp"}, NetworkID: "n", Host: "with-dhcp", DeviceOwner: "network:dhcp"})
		records.Ports.Put(u, &model.Port{Meta: model.Meta{ID: "far"}, NetworkID: "m", Host: "elsewhere"})
		records.Ports.Put(u, &model.Port{Meta: model.Meta{ID: "qr"}, NetworkID: "n", DeviceID: "r", DeviceOwner: "network:router_interface_distributed"})
		records.RouterBindings.Put(u, &model.RouterBinding{RouterID: "r", Hosts: []model.RouterHost{{Host: "with-the-router"}}})
		records.DHCPBindings.Put(u, &model.DHCPBinding{NetworkID: "n", Hosts: []model.DHCPHost{{Host: "that-serves"}}})
		i := &plugin.InstanceSpec{}
		i.ProjectID, i.Ports = "one", []string{"p1"}
		_, err := p.CreateInstance(plugin.Call{Who: identity.Identity{Admin: true}}, u, i)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{DB: db, Plugin: p, Domain: "example.org"}
	for host, want := range map[string]int{"its-own": 200, "with-the-router": 200, "with-dhcp": 200, "that-serves": 200, "with-another-guest": 404, "elsewhere": 404, "": 404} {
		r, err := s.Answer(t.Context(), host, "p1", Request{Method: "GET", Path: "/latest/meta-data/hostname"})
		if err != nil || r.Status != want {
			t.Errorf("host %q: %d %v, want %d", host, r.Status, err, want)
		}
	}
	if r, err := s.Answer(t.Context(), "its-own", "none", Request{Method: "GET", Path: "/"}); err != nil || r.Status != 404 {
		t.Errorf("a port that is none: %d %v", r.Status, err)
	}
	one, two := meta(t, s), meta(t, s)
	if len(one.Seed) < 600 || one.Seed == two.Seed {
		t.Errorf("seeds %q and %q", one.Seed, two.Seed)
	}
	for _, want := range []int{200, 409} {
		r, err := s.Answer(t.Context(), "its-own", "p1", Request{Method: "POST", Path: "/openstack/latest/password", Body: []byte("x")})
		if err != nil || r.Status != want {
			t.Errorf("a password: %d %v, want %d", r.Status, err, want)
		}
	}
}

func meta(t *testing.T, s *Service) (m struct {
	Seed string `json:"random_seed"`
},
) {
	t.Helper()
	r, err := s.Answer(t.Context(), "its-own", "p1", Request{Method: "GET", Path: "/openstack/latest/meta_data.json"})
	if err == nil {
		err = json.Unmarshal(r.Body, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}
