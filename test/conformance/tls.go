package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// securedMachines are the machines of the pages, by the host of the lab that has
// their name and address.
var securedMachines = []struct{ name, address, host string }{
	{"ctl1", "192.0.2.10", "ctl1"},
	{"etcd1", "192.0.2.21", "etcd1"},
	{"etcd2", "192.0.2.22", "etcd2"},
	{"etcd3", "192.0.2.23", "etcd3"},
	{"keystone", "192.0.2.30", "ctl1"},
	{"nova", "192.0.2.31", "ctl1"},
}

const securedTopology = `
mtu: 1500
hosts:
  - { name: ctl1, roles: [controller] }
  - { name: etcd, count: 3, roles: [compute] }
`

// securedCloud is a controller as the pages have it, with etcd, Keystone and Nova
// behind TLS, on a host with the pages' addresses.
type securedCloud struct {
	*onLab
	events chan string // what Nova is told
	serve  []*http.Server
}

// secured starts the cluster and the controller with the files and commands of
// the pages, and uses both.
func (c *cloud) secured(ctx context.Context) (report, error) {
	var r report
	on, err := c.labOf(ctx, "secured", securedTopology)
	if err != nil {
		return r, err
	}
	s := &securedCloud{onLab: on, events: make(chan string, 16)}
	defer s.close()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"", s.hosts},
		{"certificates_are_made_and_taken", s.certificates},
		{"", s.services},
		{"etcd_starts_with_TLS", s.etcd},
		{"the_controller_starts_with_TLS", s.controller},
		{"clients_find_it_in_the_catalogue", s.clients},
		{"nova_is_told_over_TLS", s.nova},
		{"strangers_are_refused", s.strangers},
	} {
		if err := step.do(ctx); err != nil {
			if step.name == "" || ctx.Err() != nil {
				return r, err
			}
			r.failed = append(r.failed, outcome{"openstack.tls." + step.name, strings.ReplaceAll(err.Error(), "\n", "; ")})
			return r, nil // the next ones stand on this one
		}
		if step.name != "" {
			r.passed = append(r.passed, "openstack.tls."+step.name)
		}
	}
	return r, nil
}

// hosts gives the machines their addresses, and what packages would have put there.
func (s *securedCloud) hosts(ctx context.Context) error {
	commands := "groupadd --force --system lepton\ninstall -d /etc/lepton/tls\n"
	for _, m := range securedMachines {
		commands += fmt.Sprintf("echo %s %s >>/etc/hosts\n", m.address, m.name)
	}
	if err := s.typed(ctx, "ctl1", commands); err != nil {
		return err
	}
	for _, m := range securedMachines {
		if err := s.typed(ctx, m.host, "ip addr add "+m.address+"/24 dev mgmt"); err != nil {
			return err
		}
	}
	return nil
}

// typed is enter for those who do not look at what is said.
func (s *securedCloud) typed(ctx context.Context, host, commands string) error {
	_, err := s.enter(ctx, host, commands)
	return err
}

// certificates makes those of the pages: of controllers, as installation says, of
// etcd, and of somebody else for Keystone and Nova, whom the machine then trusts.
func (s *securedCloud) certificates(ctx context.Context) error {
	etcd, err1 := onlyMarked(openstackPage, "sh etcd authority")
	all, err2 := marked(openstackPage, "sh ctl1")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	trust := slices.IndexFunc(all, func(text string) bool { return strings.Contains(text, "update-ca-certificates") })
	if trust < 0 {
		return errors.New(openstackPage + " does not say how Keystone's authority is trusted")
	}
	commands := `leptonctl certs init --cloud example
leptonctl certs issue ctl1 --address 192.0.2.10
install -g lepton -m 640 /etc/lepton/pki/ctl1/*.pem /etc/lepton/tls/
leptonctl certs init --dir other --cloud other
leptonctl certs issue keystone --dir other
leptonctl certs issue nova --dir other
cp other/ca.pem cloud-ca.pem
cp /etc/lepton/pki/ca.pem /usr/local/share/ca-certificates/clients-of-lepton.crt
`
	// The restart is for a controller that runs already; here it is the start.
	return s.typed(ctx, "ctl1", commands+etcd+strings.ReplaceAll(all[trust], "systemctl restart lepton-controller\n", ""))
}

// services answer as Keystone and Nova behind TLS.
func (s *securedCloud) services(context.Context) error {
	keystone := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Keystone})
	nova := http.HandlerFunc(func(w http.ResponseWriter, rq *http.Request) {
		b, _ := io.ReadAll(io.LimitReader(rq.Body, 1<<16)) // what is cut off does not read as an event
		select {
		case s.events <- rq.Method + " " + rq.URL.Path + " " + string(b):
		default: // more than anybody waits for
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"events": []}`)) // the controller that is gone is nobody's concern
	})
	at, err := s.lab.Place("ctl1")
	if err != nil {
		return err
	}
	for _, service := range []struct {
		name, address string
		handler       http.Handler
	}{{"keystone", "192.0.2.30:5000", keystone}, {"nova", "192.0.2.31:8774", nova}} {
		own := filepath.Join(s.dir, "other", service.name)
		certificate, err := tls.LoadX509KeyPair(filepath.Join(own, "cert.pem"), filepath.Join(own, "key.pem"))
		if err != nil {
			return err
		}
		l, err := at.Listen(service.address)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: service.handler, ReadHeaderTimeout: 10 * time.Second}
		s.serve = append(s.serve, server)
		go func() {
			_ = server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}))
		}()
	}
	return nil
}

// etcd starts the members with the page's file.
func (s *securedCloud) etcd(ctx context.Context) error {
	text, err := onlyMarked(openstackPage, "sh etcd.env")
	if err != nil {
		return err
	}
	for _, m := range securedMachines {
		if m.name != m.host || m.name == "ctl1" {
			continue
		}
		env := strings.NewReplacer("NAME=NAME", "NAME="+m.name, "ADDRESS:", m.address+":", "/etc/etcd", "/etc/lepton/etcd-pki/"+m.name).Replace(text)
		unit := "set -a\n" + env + "ETCD_DATA_DIR=" + filepath.Join(s.dir, m.name, "data") + "\nexec etcd\n"
		if err := s.unit(m.host, m.name, unit); err != nil {
			return err
		}
		if err := s.typed(ctx, m.host, "systemctl start "+m.name); err != nil {
			return err
		}
	}
	return s.typed(ctx, "ctl1", `for i in $(seq 60); do
	curl -sf --cacert /etc/lepton/tls/etcd/ca.pem --cert /etc/lepton/tls/etcd/cert.pem --key /etc/lepton/tls/etcd/key.pem https://etcd3:2379/health && exit
	sleep 0.25
done
tail -n 5 `+s.units("etcd?")+`/etcd?.log
exit 1
`)
}

// controller writes the file of both pages, has it checked, and starts it.
func (s *securedCloud) controller(ctx context.Context) error {
	installed, err1 := onlyMarked(installPage, "yaml ctl1:/etc/lepton/controller.yaml")
	beside, err2 := onlyMarked(openstackPage, "yaml controller.yaml")
	store, err3 := onlyMarked(openstackPage, "yaml controller.yaml with etcd")
	all, err4 := marked(openstackPage, "sh ctl1")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	file := installed + strings.NewReplacer("PASSWORD", s.Password, "SECRET", s.Password).Replace(beside) + store
	if err := os.WriteFile("/etc/lepton/controller.yaml", []byte(file), 0o600); err != nil {
		return err
	}
	if err := s.unit("ctl1", "lepton-controller", "exec lepton-controller --config /etc/lepton/controller.yaml\n"); err != nil {
		return err
	}
	check := slices.IndexFunc(all, func(text string) bool { return strings.Contains(text, "--check") })
	trust := slices.IndexFunc(all, func(text string) bool { return strings.Contains(text, "update-ca-certificates") })
	if check < 0 || trust < 0 {
		return errors.New(openstackPage + " does not say how the file is checked, or Keystone's authority trusted")
	}
	return s.typed(ctx, "ctl1", all[check]+all[trust]+`
for i in $(seq 80); do
	curl -sf --cacert /etc/ssl/certs/ca-certificates.crt https://ctl1:9696/ && exit
	sleep 0.25
done
tail `+s.units("ctl1")+`/lepton-controller.log
exit 1
`)
}

// clients come as users do: they know Keystone, and what the machine trusts.
func (s *securedCloud) clients(ctx context.Context) error {
	if err := s.cloud.enter(ctx, "openstack endpoint create --region Secured lepton public https://ctl1:9696"); err != nil {
		return err
	}
	return s.asUser(ctx, `openstack network create secured
openstack subnet create secured --network secured --subnet-range 10.0.0.0/24
openstack network list -f value -c Name | grep -x secured
`)
}

// asUser runs commands as the administrator, who has no other address than
// Keystone's.
func (s *securedCloud) asUser(ctx context.Context, commands string) error {
	var b strings.Builder
	b.WriteString("unset OS_AUTH_TYPE OS_ENDPOINT\n") // which a lab's hosts have
	for _, v := range s.administrator() {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(&b, "export %s=%s\n", name, value)
	}
	b.WriteString("export OS_AUTH_URL=https://keystone:5000/v3 OS_REGION_NAME=Secured OS_CACERT=/etc/ssl/certs/ca-certificates.crt\n")
	return s.typed(ctx, "ctl1", b.String()+commands)
}

// nova waits until it is told of a server's port.
func (s *securedCloud) nova(ctx context.Context) error {
	const server = "5e7e7000-0000-4000-8000-0000000000aa"
	if err := s.asUser(ctx, "port=$(openstack port create --network secured --device "+server+" --device-owner compute:nova told -f value -c id)\nopenstack port delete $port\n"); err != nil {
		return err
	}
	for {
		select {
		case event := <-s.events:
			if strings.Contains(event, "/v2.1/os-server-external-events") && strings.Contains(event, "network-vif-deleted") && strings.Contains(event, server) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Second):
			return errors.New("nothing told Nova that a port of a server was deleted")
		}
	}
}

// strangers have no certificate, or believe somebody else.
func (s *securedCloud) strangers(ctx context.Context) error {
	return s.typed(ctx, "ctl1", `stranger() { if curl -sf --capath /etc/lepton "$@"; then exit 1; fi; }
stranger --cacert /etc/lepton/tls/etcd/ca.pem https://etcd1:2379/health
stranger --cacert /etc/lepton/tls/etcd/ca.pem --cert /etc/lepton/tls/cert.pem --key /etc/lepton/tls/key.pem https://etcd1:2379/health
stranger --cacert cloud-ca.pem https://ctl1:9696/
`)
}

// close ends what runs there.
func (s *securedCloud) close() {
	var wg sync.WaitGroup
	for _, server := range s.serve {
		wg.Go(func() { _ = server.Close() })
	}
	wg.Wait()
	if err := s.down(); err != nil {
		fmt.Println(err)
	}
}
