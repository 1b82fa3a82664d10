package neutron

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Importable is the extension without which a service does not take objects with
// their ids.
const Importable = "lepton-import"

// workers is how many requests are under way at once.
const workers = 8

// Progress is told of each step that is done.
type Progress func(done, total int, s Step)

func decode(b []byte, into any) error { return json.NewDecoder(bytes.NewReader(b)).Decode(into) }

// Run does the steps of the plan. What is refused is noted, and the others go
// on; an error is one after which nothing more can be done: nobody answers, or
// the rights are missing. Run again what was interrupted.
func (p *Plan) Run(ctx context.Context, target *Cloud, tell Progress) (*Report, error) {
	r := run{plan: p, target: target, tell: tell}
	var err error
	for first := 0; first < len(p.Steps) && err == nil; {
		last := first
		for last < len(p.Steps) && p.Steps[last].phase == p.Steps[first].phase {
			last++
		}
		err = r.phase(ctx, p.Steps[first:last])
		first = last
	}
	slices.SortStableFunc(r.notes, func(a, b Note) int { return strings.Compare(a.Kind+a.ID, b.Kind+b.ID) })
	return &Report{Counts: p.shown(), Notes: notes(slices.Concat(p.Notes, r.notes))}, err
}

type run struct {
	plan   *Plan
	target *Cloud
	tell   Progress

	mu    sync.Mutex
	done  int
	notes []Note
}

func (r *run) phase(ctx context.Context, steps []Step) error {
	g, running := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, s := range steps {
		if running.Err() != nil {
			break
		}
		g.Go(func() error { return r.do(running, s) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// do does a step and counts it.
func (r *run) do(ctx context.Context, s Step) error {
	note, err := r.request(ctx, s)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	count := r.count(s)
	switch {
	case note != nil && note.Verdict == Failed:
		count.Failed++
	default:
		count.Made++
	}
	if note != nil {
		r.notes = append(r.notes, *note)
	}
	r.tell(r.done, len(r.plan.Steps), s)
	return nil
}

// count finds the count of a step.
func (r *run) count(s Step) *Count {
	if !s.Counts() {
		return &Count{}
	}
	i := slices.IndexFunc(r.plan.Counts, func(c *Count) bool { return c.Kind == s.Kind })
	return r.plan.Counts[i]
}

// request sends what the step is, and once more without what Lepton may not
// take.
func (r *run) request(ctx context.Context, s Step) (*Note, error) {
	err := r.send(ctx, s, s.body)
	if err == nil {
		return nil, nil
	}
	refused := (*Refusal)(nil)
	if !errors.As(err, &refused) || hopeless(refused.Status) {
		return nil, fmt.Errorf("%s %s %s: %w", s.Does, s.Kind, s.ID, err)
	}
	note := &Note{Kind: s.Kind, ID: s.ID, Name: s.Name, Verdict: Failed, Reason: s.Does + ": " + refused.Message}
	body, without := s.without()
	if len(without) == 0 {
		return note, nil
	}
	if r.send(ctx, s, body) != nil {
		return note, nil // of the first answer: these attributes were not the reason
	}
	note.Verdict, note.Attribute = Lacks, strings.Join(without, ", ")
	return note, nil
}

// hopeless reports whether the next request would get the same answer, whatever
// it is about.
func hopeless(status int) bool {
	return slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, status)
}

func (r *run) send(ctx context.Context, s Step, body Object) error {
	content := any(body)
	if s.member != "" {
		content = Object{s.member: body}
	}
	again, err := r.target.send(ctx, s.method, s.path, content, nil)
	refused := (*Refusal)(nil)
	if again && errors.As(err, &refused) && refused.Status == http.StatusConflict && strings.Contains(refused.Message, "exists already") {
		return nil // made by the request whose answer was lost
	}
	return err
}

// without gives the body without optional attributes, and which these were.
func (s Step) without() (Object, []string) {
	body, gone := maps.Clone(s.body), []string(nil)
	for _, name := range s.optional {
		outer, inner, nested := strings.Cut(name, ".")
		switch part, _ := body[outer].(Object); {
		case nested && part[inner] != nil:
			part = maps.Clone(part)
			delete(part, inner)
			body[outer] = part
		case !nested && body[name] != nil:
			delete(body, name)
		default:
			continue
		}
		gone = append(gone, name)
	}
	return body, gone
}
