package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// crowd stores ports on networks of 200 and gives the handler of an API over
// them.
func crowd(t *testing.T, ports int) (*API, []*model.Port) {
	t.Helper()
	const perNetwork = 200
	c := newCloud(t)
	now := time.Now()
	var all []*model.Port
	for n := range ports / perNetwork {
		c.update(func(u *records.Update) error {
			network := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
			records.Subnets.Put(u, &model.Subnet{Meta: model.Meta{ID: network, ProjectID: fmt.Sprint("project", n)}, NetworkID: network, IPVersion: 4})
			records.Networks.Put(u, &model.Network{Meta: model.Meta{ID: network, ProjectID: fmt.Sprint("project", n), CreatedAt: now, UpdatedAt: now}})
			for i := range perNetwork {
				k := n*perNetwork + i
				p := &model.Port{
					Meta: model.Meta{
						ID: fmt.Sprintf("%08x-1111-4000-8000-%012x", rand.Uint32(), k), ProjectID: fmt.Sprint("project", n),
						Name: fmt.Sprint("name", k), CreatedAt: now, UpdatedAt: now,
					},
					NetworkID: network, MAC: model.MAC{0xfa, 0x16, 0x3e, byte(k >> 16), byte(k >> 8), byte(k)},
					DeviceID: fmt.Sprint("device", k/2), SecurityGroups: []string{fmt.Sprint("group", k/2)}, Host: fmt.Sprint("host", k/20),
					// One address that nobody else has, and one that many networks use.
					FixedIPs: []model.FixedIP{
						{SubnetID: network, IP: netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)})},
						{SubnetID: network, IP: netip.AddrFrom4([4]byte{192, 168, 0, byte(i)})},
					},
				}
				records.Ports.Put(u, p)
				for _, f := range p.FixedIPs {
					if err := u.Claim("ip/"+network+"/"+f.IP.String(), p.ID); err != nil {
						return err
					}
				}
				all = append(all, p)
			}
			return nil
		})
	}
	return New(Config{DB: c.db, Plugin: c.plugin, Log: zap.NewNop()}), all
}

// TestAListOfAFewPortsDoesNotDependOnHowManyThereAre compares the times of the
// same lists among 400 ports and among 20,000.
func TestAListOfAFewPortsDoesNotDependOnHowManyThereAre(t *testing.T) {
	few, fewPorts := crowd(t, 400)
	many, manyPorts := crowd(t, 20_000)
	for name, query := range map[string]func(p *model.Port) string{
		"id":      func(p *model.Port) string { return "id=" + p.ID },
		"name":    func(p *model.Port) string { return "name=" + p.Name },
		"MAC":     func(p *model.Port) string { return "mac_address=" + p.MAC.String() },
		"address": func(p *model.Port) string { return "fixed_ips=ip_address%3D" + p.FixedIPs[0].IP.String() },
		"address on a network": func(p *model.Port) string {
			return "network_id=" + p.NetworkID + "&fixed_ips=ip_address%3D" + p.FixedIPs[1].IP.String()
		},
		"address in a subnet": func(p *model.Port) string {
			return "fixed_ips=subnet_id%3D" + p.NetworkID + "&fixed_ips=ip_address%3D" + p.FixedIPs[0].IP.String()
		},
		"server":                      func(p *model.Port) string { return "device_id=" + p.DeviceID },
		"server of a project":         func(p *model.Port) string { return "tenant_id=" + p.ProjectID + "&device_id=" + p.DeviceID },
		"security group":              func(p *model.Port) string { return "security_groups=" + p.SecurityGroups[0] },
		"host":                        func(p *model.Port) string { return "binding:host_id=" + p.Host },
		"what does not exist":         func(*model.Port) string { return "name=nobody" },
		"a page":                      func(p *model.Port) string { return "limit=20&marker=" + p.ID },
		"the first page":              func(*model.Port) string { return "limit=20" },
		"a page by id, as some ask":   func(p *model.Port) string { return "limit=20&sort_key=id&sort_dir=asc&marker=" + p.ID },
		"a filter and a needless key": func(p *model.Port) string { return "sort_key=name&sort_dir=desc&name=" + p.Name },
	} {
		t.Run(name, func(t *testing.T) {
			// In turn, so that what else runs meets both.
			var tookFew, tookMany []time.Duration
			for range 60 {
				tookFew = append(tookFew, timed(t, few, query(fewPorts[rand.IntN(len(fewPorts))])))
				tookMany = append(tookMany, timed(t, many, query(manyPorts[rand.IntN(len(manyPorts))])))
			}
			slices.Sort(tookFew)
			slices.Sort(tookMany)
			a, b := tookFew[len(tookFew)/2], tookMany[len(tookMany)/2]
			// Fifty times the ports; a scan takes fifty times as long.
			if b > 5*a {
				t.Errorf("%s among 20,000 ports, %s among 400", b, a)
			}
		})
	}
}

func timed(t *testing.T, h *API, query string) time.Duration {
	t.Helper()
	r := httptest.NewRequest("GET", "/v2.0/ports?"+query, strings.NewReader(""))
	w := httptest.NewRecorder()
	began := time.Now()
	h.ServeHTTP(w, r)
	took := time.Since(began)
	if found := strings.Contains(w.Body.String(), `"mac_address"`); w.Code != 200 || !found && !strings.Contains(query, "nobody") && !strings.Contains(query, "marker") {
		t.Fatalf("%s: %d %s", query, w.Code, w.Body)
	}
	return took
}

// TestPagesFoundByTheirMarkerAreThoseOfTheWholeList walks through what a member
// of one project sees of the ports of three.
func TestPagesFoundByTheirMarkerAreThoseOfTheWholeList(t *testing.T) {
	h, all := crowd(t, 600)
	h.config.Auth = byName{"member": identity.WithRoles("u", "project1", []string{"member"})}
	ids := func(query string) (ids []string) {
		r := httptest.NewRequest("GET", "/v2.0/ports?fields=id&"+query, strings.NewReader(""))
		r.Header.Set("X-Auth-Token", "member")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var out struct{ Ports []struct{ ID string } }
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		for _, p := range out.Ports {
			ids = append(ids, p.ID)
		}
		return ids
	}
	whole := ids("")
	if len(whole) != 200 {
		t.Fatalf("the member sees %d ports", len(whole))
	}
	for _, order := range []string{"", "&sort_key=id&sort_dir=asc"} {
		var walked []string
		for page := ids("limit=7" + order); len(page) > 0; page = ids("limit=7&marker=" + walked[len(walked)-1] + order) {
			walked = append(walked, page...)
		}
		if !slices.Equal(walked, whole) {
			t.Errorf("%q: %d ports in pages, %d in the whole list", order, len(walked), len(whole))
		}
	}
	// What the member does not see is no marker.
	foreign := all[slices.IndexFunc(all, func(p *model.Port) bool { return p.ProjectID == "project0" })]
	r := httptest.NewRequest("GET", "/v2.0/ports?limit=7&marker="+foreign.ID, strings.NewReader(""))
	r.Header.Set("X-Auth-Token", "member")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 404 {
		t.Errorf("another's port as a marker: %d %s", w.Code, w.Body)
	}
}
