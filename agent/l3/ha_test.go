package l3

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/test/golden"
)

// The port by which the host of the tests watches the others.
const (
	haNetID  = "a0000000-0000-4000-8000-000000000001"
	haSubID  = "a0000000-0000-4000-8000-000000000002"
	haPortID = "a0000000-0000-4000-8000-000000000003"
)

// makeHA makes the reference's router ha, on this host and another one.
func (v *View) makeHA() {
	v.network(haNetID, 1450)
	v.subnet(haSubID, haNetID, "169.254.192.0/18", "")
	for id, host := range map[string]string{haPortID: "net1", "a0000000-0000-4000-8000-000000000004": "net2"} {
		v.port(id, routerID, haNetID, ownerHA, "fa:16:3e:00:0a:"+id[len(id)-2:], [2]string{haSubID, "169.254.195." + id[len(id)-1:]}).Host = host
	}
	v.Routers[routerID].HA, v.Routers[routerID].VRID = true, 7
	v.Bindings[routerID] = &model.RouterBinding{RouterID: routerID, Hosts: []model.RouterHost{{Host: "net1", Priority: 99}}}
}

func TestHARoutersAreDescribedAsInTheirFiles(t *testing.T) {
	for _, name := range []string{"ha-active", "ha-standby"} {
		v := reference()
		scenarios()["ipv6"](v)
		v.makeHA()
		in, _ := v.Input(routerID)
		if name == "ha-active" {
			in.HA.Active, in.HA.Weight = true, 2
		}
		in.HA.Dir = "/run/lepton/ha/" + routerID
		got := Desired(in).String()
		path := filepath.Join("testdata", name+".router")
		golden.Text(t, path, got)
	}
}

func TestKeepalivedAcceptsItsFile(t *testing.T) {
	v := reference()
	v.makeHA()
	in, _ := v.Input(routerID)
	dir := t.TempDir()
	in.HA.Dir = filepath.Join(dir, routerID)
	n := Desired(in)
	path := filepath.Join(dir, "keepalived.conf")
	for file, text := range map[string]string{path: n.HA.Keepalived, filepath.Join(dir, notifyFile): notifyScript} {
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The interface is not there, which is the one complaint.
	out, err := exec.CommandContext(t.Context(), "keepalived", "-t", "-f", path).CombinedOutput()
	if err != nil && !slices.Contains([]int{4, 5}, err.(*exec.ExitError).ExitCode()) {
		t.Errorf("keepalived: %v\n%s", err, out)
	}
	t.Logf("%v %s", err, out)
}

func TestWhatAHostDoesInAnHARouter(t *testing.T) {
	start := time.Now()
	type event struct {
		after     time.Duration
		master    bool
		connected bool
		told      *model.RouterHost // nil: nothing new
	}
	granted, refused := &model.RouterHost{Active: true}, &model.RouterHost{}
	for _, tc := range []struct {
		name   string
		was    bool // active when the agent started
		events []event
		want   []model.ObjectState // after each event
		active []bool
	}{
		{
			"forwards when it is named and hears nobody", false,
			[]event{{0, false, true, granted}, {0, true, true, nil}},
			[]model.ObjectState{model.ObjectStandby, model.ObjectActive},
			[]bool{false, true},
		},
		{
			"asks before it forwards", false,
			[]event{{0, true, true, refused}, {500 * time.Millisecond, true, true, nil}, {600 * time.Millisecond, true, true, granted}},
			[]model.ObjectState{model.ObjectClaims, model.ObjectClaims, model.ObjectActive},
			[]bool{false, false, true},
		},
		{
			"forwards without asking when there is nobody to ask", false,
			[]event{{0, false, false, refused}, {0, true, false, nil}},
			[]model.ObjectState{model.ObjectStandby, model.ObjectActive},
			[]bool{false, true},
		},
		{
			"forwards when nobody answers", false,
			[]event{{0, true, true, refused}, {haPatience, true, true, nil}},
			[]model.ObjectState{model.ObjectClaims, model.ObjectClaims},
			[]bool{false, true},
		},
		{
			"goes on while it asks after an outage, and is refused", false,
			[]event{{0, true, false, refused}, {0, true, true, nil}, {0, true, true, &model.RouterHost{Denied: start.UnixMilli()}}},
			[]model.ObjectState{model.ObjectActive, model.ObjectClaims, model.ObjectClaims},
			[]bool{true, true, false},
		},
		{
			"stops when it is taken away", false,
			[]event{{0, true, true, granted}, {0, true, true, refused}},
			[]model.ObjectState{model.ObjectActive, model.ObjectClaims},
			[]bool{true, false},
		},
		{
			"stops when it hears another one", false,
			[]event{{0, true, true, granted}, {0, false, true, nil}},
			[]model.ObjectState{model.ObjectActive, model.ObjectStandby},
			[]bool{true, false},
		},
		{
			"goes on over a restart of the agent", true,
			[]event{{0, true, true, granted}},
			[]model.ObjectState{model.ObjectActive},
			[]bool{true},
		},
		{
			"goes on over a restart of the agent that took over by itself", true,
			[]event{{0, true, true, refused}},
			[]model.ObjectState{model.ObjectClaims},
			[]bool{true},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := part{active: tc.was}
			for i, e := range tc.events {
				p.master = e.master
				if e.told != nil {
					p.hear(*e.told)
				}
				p.step(start.Add(e.after), e.connected)
				st, ok := p.status("r", false)
				if !ok || st.State != tc.want[i] || p.active != tc.active[i] {
					t.Fatalf("event %d: says %s, active %v; %+v", i, st.State, p.active, p)
				}
			}
		})
	}
}

func TestAHostAnswersAChallengeAndSaysThatItStoppedWhenItHas(t *testing.T) {
	p := part{master: true}
	p.hear(model.RouterHost{Active: true, Challenge: 42})
	p.step(time.Now(), true)
	if st, ok := p.status("r", true); !ok || st.State != model.ObjectActive || st.Revision != 42 {
		t.Errorf("challenged, it says %+v", st)
	}
	p.master = false
	p.step(time.Now(), true)
	if st, ok := p.status("r", true); ok {
		t.Errorf("its links are up, and it says %+v", st)
	}
	if st, ok := p.status("r", false); !ok || st.State != model.ObjectStandby {
		t.Errorf("its links are down, and it says %+v", st)
	}
}

// prefers gives what VRRP compares when a host hears another master.
func prefers(t *testing.T, p part, given int, connected bool) int {
	t.Helper()
	sum := vrrpPriority(given) + haBoost*p.weight(connected)
	if sum < 1 || sum > 254 {
		t.Fatalf("VRRP knows no priority %d", sum)
	}
	return sum
}

func TestOfTwoMastersTheOneStaysWhomTheControllersNamedLast(t *testing.T) {
	named := func(grant int) part { return part{master: true, active: true, granted: true, grant: grant} }
	alone, standby := part{master: true, active: true}, part{master: true, granted: true, grant: 3}
	for _, tc := range []struct {
		name           string
		stays, yields  part
		connected, was bool // whether they have a controller
	}{
		{"over one that was away too briefly to notice", named(2), named(1), true, true},
		{"over one that was away after another one was", named(3), named(2), true, true},
		{"over one that has no controller", named(1), named(3), true, false},
		{"over one that took over by itself", named(1), alone, true, false},
		{"over one that does not forward", named(1), standby, true, true},
		{"without a controller the one that took over last", alone, named(3), false, false},
		{"records of older controllers have no grants", named(0), alone, true, true},
	} {
		// Whatever priorities the controllers gave the two.
		for _, pair := range [][2]int{{100, 61}, {61, 100}, {99, 100}} {
			if a, b := prefers(t, tc.stays, pair[0], tc.connected), prefers(t, tc.yields, pair[1], tc.was); a <= b {
				t.Errorf("%s: %d against %d, of given %v", tc.name, a, b, pair)
			}
		}
	}
}

func TestARefusedHostAsksAgain(t *testing.T) {
	now := time.Now()
	p := part{master: true}
	p.hear(model.RouterHost{})
	p.step(now, true)
	first := p.claim
	p.hear(model.RouterHost{Denied: first})
	if next := p.step(now.Add(time.Millisecond), true); p.active || !next.Equal(now.Add(haAgain)) {
		t.Errorf("refused: %+v, again at %s", p, next)
	}
	p.step(now.Add(haAgain), true)
	if p.claim <= first || p.active {
		t.Errorf("later: %+v", p)
	}
}

func TestEventsOfStateFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	news := make(chan string, 8)
	done := make(chan error, 1)
	go func() { done <- followVRRP(t.Context(), dir, news) }()
	script := filepath.Join(dir, haRoom, notifyFile)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, haRoom, statesDir)); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(script, []byte(notifyScript), 0o755); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the watch begins after the directory is there
	if out, err := exec.CommandContext(t.Context(), script, "some-router", "INSTANCE", "VR_1", "MASTER", "100").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	select {
	case id := <-news:
		if id != "some-router" {
			t.Errorf("news of %q", id)
		}
	case err := <-done:
		t.Fatal(err)
	case <-time.After(5 * time.Second):
		t.Fatal("no news")
	}
	if b, err := os.ReadFile(filepath.Join(dir, haRoom, statesDir, "some-router")); err != nil || string(b) != "MASTER\n" {
		t.Errorf("%q, %v", b, err)
	}
}
