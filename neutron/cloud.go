package neutron

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Cloud is a Networking API, asked with an administrator's rights.
type Cloud struct {
	client *gophercloud.ServiceClient
}

// New speaks to the Networking API of a client, whose ResourceBase has to end in
// /v2.0/.
func New(client *gophercloud.ServiceClient) *Cloud { return &Cloud{client: client} }

// URL of the API.
func (c *Cloud) URL() string { return c.client.ResourceBase }

// pageSize is how many objects are asked for at once.
const pageSize = 500

// requestTimeout bounds one request.
const requestTimeout = time.Minute

// tries is how often a request is sent that gets no answer, or that of a service
// which is overloaded.
const tries = 4

// Refusal is an answer that says no: why, and with which status.
type Refusal struct {
	Status  int
	Message string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d: %s", r.Status, r.Message) }

// send makes a request, again when nothing came back. again reports that the one
// that was answered was not the first.
func (c *Cloud) send(ctx context.Context, method, path string, body, into any) (again bool, err error) {
	pause := 200 * time.Millisecond
	for n := 1; ; n++ {
		err = c.once(ctx, method, path, body, into)
		refused := (*Refusal)(nil)
		if err == nil || n == tries || ctx.Err() != nil ||
			errors.As(err, &refused) && !slices.Contains([]int{429, 502, 503, 504}, refused.Status) {
			return n > 1, err
		}
		select {
		case <-ctx.Done():
			return n > 1, err
		case <-time.After(pause/2 + rand.N(pause)):
		}
		pause *= 2
	}
}

func (c *Cloud) once(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	opts := &gophercloud.RequestOpts{OkCodes: []int{200, 201, 204}}
	if body != nil {
		opts.JSONBody = body
	}
	if into != nil {
		opts.JSONResponse = into
	}
	_, err := c.client.Request(ctx, method, c.client.ResourceBase+path, opts)
	answer := gophercloud.ErrUnexpectedResponseCode{}
	if errors.As(err, &answer) {
		return &Refusal{Status: answer.Actual, Message: said(answer.Body)}
	}
	return err
}

// said finds what an error's body says.
func said(body []byte) string {
	var e struct {
		NeutronError any `json:"NeutronError"`
		Error        struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if decode(body, &e) == nil {
		if e.Error.Message != "" {
			return e.Error.Message
		}
		switch what := e.NeutronError.(type) {
		case string:
			return what
		case map[string]any:
			return Object(what).text("message")
		}
	}
	const most = 300
	text := strings.TrimSpace(string(body))
	return text[:min(len(text), most)]
}

// list reads a whole collection, page by page.
func (c *Cloud) list(ctx context.Context, path, plural string) ([]Object, error) {
	var all []Object
	marker := ""
	for {
		query := url.Values{"limit": {fmt.Sprint(pageSize)}}
		if marker != "" {
			query.Set("marker", marker)
		}
		var answer map[string]any
		if _, err := c.send(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &answer); err != nil {
			return nil, fmt.Errorf("list %s: %w", path, err)
		}
		page := Object(answer).objects(plural)
		all = append(all, page...)
		more := slices.ContainsFunc(Object(answer).objects(plural+"_links"), func(l Object) bool { return l.text("rel") == "next" })
		if !more || len(page) == 0 || page[len(page)-1].id() == marker {
			return all, nil
		}
		marker = page[len(page)-1].id()
	}
}

// Read takes a snapshot of what the service has. say is told what is being read.
func (c *Cloud) Read(ctx context.Context, say func(what string)) (Snapshot, error) {
	s := Snapshot{Extensions: map[string]bool{}, Objects: map[string][]Object{}}
	extensions, err := c.list(ctx, "extensions", "extensions")
	if err != nil {
		return s, err
	}
	for _, e := range extensions {
		s.Extensions[e.text("alias")] = true
	}
	read := func(kind, extension, path, plural string) error {
		if extension != "" && !s.Extensions[extension] {
			return nil
		}
		say(kind)
		list, err := c.list(ctx, path, plural)
		slices.SortFunc(list, func(a, b Object) int { return strings.Compare(a.id(), b.id()) })
		s.Objects[kind] = list
		return err
	}
	for _, r := range resources() {
		if err := read(r.kind, r.extension, r.path, r.plural); err != nil {
			return s, err
		}
	}
	for _, err := range []error{read("segment", "segment", "segments", "segments"), read("quota", "quotas", "quotas", "quotas")} {
		if err != nil {
			return s, err
		}
	}
	for _, l := range leftovers() {
		if err := read(l.kind, l.extension, l.path, l.plural); err != nil {
			refused := (*Refusal)(nil)
			if !errors.As(err, &refused) {
				return s, err
			}
			delete(s.Objects, l.kind) // an extension that says more than it does
		}
	}
	return s, c.readBelow(ctx, s)
}

// readBelow reads what is below floating addresses and routers.
func (c *Cloud) readBelow(ctx context.Context, s Snapshot) error {
	for _, b := range []struct {
		extension, parents, hint, path, plural, kind, parent string
	}{
		{"floating-ip-port-forwarding", "floating IP", "port_forwardings", "floatingips/%s/port_forwardings", "port_forwardings", "port forwarding", "floatingip_id"},
		{"l3-conntrack-helper", "router", "conntrack_helpers", "routers/%s/conntrack_helpers", "conntrack_helpers", "conntrack helper", "router_id"},
	} {
		if !s.Extensions[b.extension] {
			continue
		}
		for _, parent := range s.Objects[b.parents] {
			if hint, shown := parent[b.hint]; shown && canonical(hint) == "" {
				continue
			}
			list, err := c.list(ctx, fmt.Sprintf(b.path, parent.id()), b.plural)
			if err != nil {
				return err
			}
			for _, o := range list {
				mine := maps.Clone(o)
				mine[b.parent] = parent.id()
				s.Objects[b.kind] = append(s.Objects[b.kind], mine)
			}
		}
	}
	return nil
}
