package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lepton-sdn/lepton/inspect"
	"github.com/lepton-sdn/lepton/lab"
)

// How events are followed: asked for every followEvery, each time also those of
// the last followAgain, because controllers' clocks differ and a transaction takes
// its time.
const (
	followEvery = 2 * time.Second
	followAgain = 30 * time.Second
	// followRarely is how long is waited at the most while nobody answers.
	followRarely = 30 * time.Second
	// eventPage is how many events are asked for at once.
	eventPage = 500
)

// eventFlags choose events.
type eventFlags struct {
	object, resource, project, user, request, host, kind string
	since, until                                         string
	last                                                 int
	follow                                               bool
}

// event is one as the API shows it.
type event struct {
	ID         string           `json:"id"`
	At         string           `json:"at"`
	Kind       string           `json:"kind"`
	Action     string           `json:"action"`
	Resource   string           `json:"resource"`
	ResourceID string           `json:"resource_id"`
	Name       string           `json:"resource_name"`
	Revision   int64            `json:"store_revision"`
	State      string           `json:"state"`
	Part       string           `json:"part"`
	Message    string           `json:"message"`
	LeftOut    int              `json:"left_out"`
	Hosts      []string         `json:"hosts"`
	Attributes []eventAttribute `json:"attributes"`
	By         *eventAuthor     `json:"by"`
	all        json.RawMessage  // as it came
}

type eventAttribute struct {
	Name    string          `json:"name"`
	Old     json.RawMessage `json:"old"`
	New     json.RawMessage `json:"new"`
	Secret  bool            `json:"secret"`
	Clipped bool            `json:"clipped"`
}

type eventAuthor struct {
	Kind    string `json:"kind"`
	Part    string `json:"part"`
	User    string `json:"user_id"`
	Name    string `json:"user_name"`
	Project string `json:"project_id"`
	Address string `json:"address"`
}

func newEvents(s *settings) *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use: "events", Short: "Show who changed what, and which hosts applied it when",
		Long: `events shows the journal, the oldest event first: every change with who made
it, what hosts say of objects, which hosts have taken over which change (the
number after @ is the change's), and what agents did.

With -o json or yaml the events are as in the API; with --follow one a line.`,
		Example: "  leptonctl events --object 5f2c… --since 24h\n  leptonctl events --host hv1 --kind agent --follow",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.query(time.Now())
			if err != nil {
				return usage(err)
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			return showEvents(cmd.Context(), &eventPrinter{settings: s, out: cmd.OutOrStdout(), tell: cmd.ErrOrStderr()}, api, q, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.object, "object", "", "only of the object with this id")
	fl.StringVar(&f.resource, "resource", "", "only of this kind of object: port, network, security_group_rule …")
	fl.StringVar(&f.project, "project", "", "only of this project's objects")
	fl.StringVar(&f.user, "user", "", "only what the user with this id did")
	fl.StringVar(&f.request, "request", "", "only what the request with this id did")
	fl.StringVar(&f.host, "host", "", "only what is about this host")
	fl.StringVar(&f.kind, "kind", "", "only change, state, applied or agent")
	fl.StringVar(&f.since, "since", "", "only from then on: 90m, 24h, 7d, or a time as 2006-01-02T15:04:05Z")
	fl.StringVar(&f.until, "until", "", "only until then")
	fl.IntVarP(&f.last, "last", "n", 50, "at most so many, the last ones; 0: all")
	fl.BoolVarP(&f.follow, "follow", "f", false, "go on with what happens from now on")
	addOutput(cmd, s)
	return cmd
}

// query makes the filters of the flags.
func (f *eventFlags) query(now time.Time) (url.Values, error) {
	q := url.Values{}
	for name, value := range map[string]string{
		"resource_id": f.object, "resource": strings.ReplaceAll(f.resource, "-", "_"), "project_id": f.project,
		"user_id": f.user, "request_id": f.request, "host": f.host, "kind": f.kind,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var from, until time.Time
	for name, at := range map[string]*time.Time{"since": &from, "until": &until} {
		value := map[string]string{"since": f.since, "until": f.until}[name]
		if value == "" {
			continue
		}
		var err error
		if *at, err = moment(value, now); err != nil {
			return nil, fmt.Errorf("--%s %q: %w", name, value, err)
		}
		q.Set(name, at.UTC().Format(time.RFC3339Nano))
	}
	switch {
	case f.since != "" && f.until != "" && !from.Before(until):
		return nil, fmt.Errorf("--since %s is not before --until %s", f.since, f.until)
	case f.last < 0:
		return nil, fmt.Errorf("--last %d is negative", f.last)
	case f.follow && f.until != "":
		return nil, errors.New("--follow and --until exclude each other")
	}
	return q, nil
}

// moment reads a time, or how long ago.
func moment(text string, now time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 10_000 {
			return now.Add(-time.Duration(n * 24 * float64(time.Hour))), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.UTC); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("neither how long ago, as 90m, 24h or 7d, nor a time, as 2006-01-02T15:04:05Z")
}

func showEvents(ctx context.Context, p *eventPrinter, api *lab.API, q url.Values, f *eventFlags) error {
	if f.follow {
		return followEvents(ctx, p, api, q, f.last)
	}
	list, err := readEvents(ctx, api, q, f.last)
	if err != nil {
		return p.settings.failed("list events", err)
	}
	return p.whole(list)
}

// followEvents writes the last events, and then those that come. It goes on when
// nobody answers for a while, as while a controller is upgraded, and shows later
// what happened meanwhile.
func followEvents(ctx context.Context, p *eventPrinter, api *lab.API, q url.Values, last int) error {
	begun := time.Now()
	shown := map[string]time.Time{} // since when
	// What will be asked for again, and is not to be shown.
	recent, err := readEvents(ctx, api, since(q, begun), 0)
	if err == nil {
		var list []event
		if list, err = readEvents(ctx, api, q, last); err == nil {
			err = p.lines(list)
		}
		recent = append(recent, list...)
	}
	if err != nil {
		return p.settings.failed("list events", err)
	}
	for _, e := range recent {
		shown[e.ID] = begun
	}
	pause := followEvery
	for {
		select {
		case <-ctx.Done():
			return nil // as asked for
		case <-time.After(pause):
		}
		from := time.Now()
		list, err := readEvents(ctx, api, since(q, begun), 0)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if err = p.settings.failed("list events", err); !errors.Is(err, errUnreachable) {
				return err
			}
			if pause == followEvery {
				fmt.Fprintf(p.tell, "leptonctl: %v; it is asked again\n", err)
			}
			pause = min(2*pause, followRarely) + rand.N(followEvery/4)
			continue
		}
		pause = followEvery
		if err := p.fresh(list, shown, from, begun); err != nil {
			return err
		}
		begun = from
	}
}

// since narrows a question to what happened not long before a time, or later.
func since(q url.Values, t time.Time) url.Values {
	q = cloneValues(q)
	q.Set("since", t.Add(-followAgain).UTC().Format(time.RFC3339Nano))
	return q
}

// fresh writes those of the events since a time that were not shown yet, and notes that
// they are now.
func (p *eventPrinter) fresh(list []event, shown map[string]time.Time, now, since time.Time) error {
	list = slices.DeleteFunc(list, func(e event) bool {
		at, err := time.Parse(time.RFC3339Nano, e.At)
		_, old := shown[e.ID]
		return old || err == nil && at.Before(since.Add(-followAgain))
	})
	for _, e := range list {
		shown[e.ID] = now
	}
	for id, since := range shown {
		if now.Sub(since) > 4*followAgain {
			delete(shown, id)
		}
	}
	return p.lines(list)
}

// readEvents gives the last events that match, all for 0, the oldest first.
func readEvents(ctx context.Context, api *lab.API, q url.Values, last int) ([]event, error) {
	var out []event
	q = cloneValues(q)
	for {
		size := eventPage
		if last > 0 {
			size = min(size, last-len(out))
		}
		q.Set("limit", strconv.Itoa(size))
		var page struct {
			Events []json.RawMessage `json:"lepton_events"`
			Links  []struct {
				Href string `json:"href"`
			} `json:"lepton_events_links"`
		}
		if err := api.Call(ctx, http.MethodGet, "/v2.0/lepton-events?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		for _, raw := range page.Events {
			e := event{all: raw}
			if err := json.Unmarshal(raw, &e); err != nil {
				return nil, fmt.Errorf("read answer: %w", err)
			}
			out = append(out, e)
		}
		if len(page.Links) == 0 || last > 0 && len(out) >= last {
			slices.Reverse(out)
			return out, nil
		}
		next, err := url.Parse(page.Links[0].Href)
		if err != nil || next.Query().Get("marker") == "" {
			return nil, errors.New("read answer: the next page has no marker")
		}
		q.Set("marker", next.Query().Get("marker"))
	}
}

func cloneValues(q url.Values) url.Values {
	c := url.Values{}
	for name, values := range q {
		c[name] = slices.Clone(values)
	}
	return c
}

// eventPrinter writes events.
type eventPrinter struct {
	settings *settings
	out      io.Writer
	tell     io.Writer // of what is wrong
	headed   bool
}

// whole writes a list that is complete.
func (p *eventPrinter) whole(list []event) error {
	if p.settings.forPrograms() {
		all := make([]json.RawMessage, 0, len(list))
		for _, e := range list {
			all = append(all, e.all)
		}
		return p.settings.print(p.out, all)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(p.out, "no such events")
		return err
	}
	rows := [][]string{eventHeading()}
	for i := range list {
		rows = append(rows, list[i].cells())
	}
	return table(p.out, rows)
}

// lines writes events of which more will come: one a line, or a YAML document.
func (p *eventPrinter) lines(list []event) error {
	for i := range list {
		var err error
		switch p.settings.output {
		case "json":
			_, err = fmt.Fprintf(p.out, "%s\n", list[i].all)
		case "yaml":
			_, err = io.WriteString(p.out, "---\n")
			err = errors.Join(err, p.settings.print(p.out, list[i].all))
		default:
			err = p.line(list[i].cells())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// line writes cells in columns of a fixed width: what comes later is not known.
func (p *eventPrinter) line(cells []string) error {
	if !p.headed {
		p.headed = true
		if err := p.line(eventHeading()); err != nil {
			return err
		}
	}
	for i, c := range cells {
		cells[i] = inspect.Plain(cmp.Or(c, "-"))
	}
	_, err := fmt.Fprintf(p.out, "%-24s  %-8s  %-8s  %-20s  %-36s  %-24s  %s\n",
		cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6])
	return err
}

func eventHeading() []string {
	return []string{"AT", "KIND", "ACTION", "RESOURCE", "ID", "BY", "WHAT"}
}

func (e *event) cells() []string {
	return []string{e.At, e.Kind, e.Action, e.Resource, e.ResourceID, e.by(), e.what()}
}

// by says who acted: a user, a part of the controller, or hosts.
func (e *event) by() string {
	switch {
	case e.By == nil && len(e.Hosts) > 2:
		return fmt.Sprintf("%s and %d more", e.Hosts[0], len(e.Hosts)-1)
	case e.By == nil:
		return strings.Join(e.Hosts, " ")
	case e.By.Kind != "user":
		return strings.TrimSpace(e.By.Kind + " " + e.By.Part)
	}
	user := e.By.Name
	if user == "" {
		user = e.By.User
	}
	if user == "" {
		user = "somebody"
	}
	if e.By.Address != "" {
		user += "@" + e.By.Address
	}
	return user
}

func (e *event) what() string {
	var parts []string
	if e.Name != "" {
		parts = append(parts, e.Name+":")
	}
	switch e.Kind {
	case "applied":
		if e.Resource == "" {
			parts = append(parts, "everything up to")
		}
		parts = append(parts, fmt.Sprintf("@%d on %d hosts", e.Revision, len(e.Hosts)))
	case "state":
		parts = append(parts, strings.TrimSpace(e.Part+" "+e.State))
	}
	for _, a := range e.Attributes {
		parts = append(parts, a.String())
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	if e.Kind == "change" {
		if len(e.Hosts) > 0 {
			parts = append(parts, "left "+strings.Join(e.Hosts, " "))
		}
		parts = append(parts, fmt.Sprintf("@%d", e.Revision))
	}
	if e.LeftOut > 0 {
		parts = append(parts, fmt.Sprintf("(%d more)", e.LeftOut))
	}
	return strings.Join(parts, " ")
}

func (a eventAttribute) String() string {
	switch {
	case a.Secret:
		return a.Name + " (secret)"
	case a.Clipped:
		return a.Name + " (long)"
	case none(a.Old):
		return a.Name + "=" + short(a.New)
	case none(a.New):
		return a.Name + "=" + short(a.Old) + "→-"
	}
	return a.Name + "=" + short(a.Old) + "→" + short(a.New)
}

func none(v json.RawMessage) bool { return len(v) == 0 || string(v) == "null" }

// short is a value for people: a text without quotes, and not too long.
func short(v json.RawMessage) string {
	text := string(v)
	var s string
	if json.Unmarshal(v, &s) == nil {
		text = s
	}
	if r := []rune(text); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return text
}
