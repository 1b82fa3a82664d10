package presence

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/store/mem"
)

func pair(t *testing.T) (a, b *Presence) {
	db, err := records.Open(t.Context(), mem.New(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return New(db, model.Controller{Name: "a"}, zap.NewNop()), New(db, model.Controller{Name: "b"}, zap.NewNop())
}

// names are who is there, as one sees it.
func (p *Presence) names() string {
	out := ""
	for _, s := range p.States() {
		out += fmt.Sprintf("%s:%v ", s.Name, s.Alive)
	}
	return out
}

// wait lets time pass for what p has seen of the other.
func (p *Presence) wait(name string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.seen[name]
	b.at = b.at.Add(-d)
	p.seen[name] = b
}

func expect(t *testing.T, p *Presence, want string) {
	t.Helper()
	if got := p.names(); got != want {
		t.Errorf("%s sees %q, want %q", p.self.Name, got, want)
	}
}

func TestAControllerIsAliveAsLongAsItsBeatGrows(t *testing.T) {
	a, b := pair(t)
	a.tell(t.Context())
	b.tell(t.Context())
	expect(t, a, "a:true b:true ")
	a.wait("b", DeadAfter)
	expect(t, a, "a:true b:false ")
	expect(t, b, "a:true b:true ")
	b.tell(t.Context())
	expect(t, a, "a:true b:true ")

	// A new run in its place is another instance, whatever its beat.
	a.wait("b", DeadAfter)
	again := New(b.db, model.Controller{Name: "b"}, zap.NewNop())
	again.tell(t.Context())
	expect(t, a, "a:true b:true ")
}

func TestAControllerThatLeavesIsGoneAndOneThatDiedIsForgottenInTheEnd(t *testing.T) {
	a, b := pair(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Run(ctx) }()
	for end := time.Now().Add(5 * time.Second); a.names() != "b:true "; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("b does not come: %s", a.names())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	expect(t, a, "")

	b.tell(t.Context())
	a.tell(t.Context())
	expect(t, a, "a:true b:true ")
	a.wait("b", forgetAfter+time.Minute)
	a.tell(t.Context())
	expect(t, a, "a:true ")
}
