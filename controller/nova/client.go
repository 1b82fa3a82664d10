package nova

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Bounds on what Nova is asked and may answer.
const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 15 * time.Second
	maxAnswer      = 1 << 20 // bytes
)

// Tokens gives the token that requests show.
type Tokens interface {
	// Token gives a token that is good now.
	Token(ctx context.Context) (string, error)
	// Forget drops a token that Nova did not take.
	Forget(token string)
}

// Static is a token that never changes.
type Static string

// Token gives the token.
func (s Static) Token(context.Context) (string, error) { return string(s), nil }

// Forget does nothing: there is no other.
func (Static) Forget(string) {}

// outcome is what Nova said of one event.
type outcome struct {
	// code is an HTTP status: 200 taken, 404 no such server, 422 a server that
	// is on no host yet; 0 when Nova's answer does not say.
	code int
}

// settled reports whether there is no use in sending the event again.
func (o outcome) settled() bool { return o.code != 0 && o.code < 500 }

// errRefused is a request that Nova takes in no form: 400. Other errors are of
// the moment, or of the configuration.
var errRefused = errors.New("the request is refused")

// client posts events.
type client struct {
	url    string
	tokens Tokens
	http   *http.Client
}

// newClient makes a client; url is that of the compute service with its
// version: http://nova:8774/v2.1.
func newClient(url string, tokens Tokens) *client {
	return &client{
		url: strings.TrimRight(url, "/") + "/os-server-external-events", tokens: tokens,
		http: &http.Client{
			Timeout: requestTimeout,
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
				MaxResponseHeaderBytes: 64 << 10,
				// Servers under uwsgi drop connections that are kept, and a POST
				// that meets one is lost.
				DisableKeepAlives: true,
			},
			// The token is for Nova only.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// send posts the events and gives what became of each.
func (c *client) send(ctx context.Context, events []event) ([]outcome, error) {
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		return nil, fmt.Errorf("write the events: %w", err)
	}
	for again := true; ; again = false {
		token, err := c.tokens.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("get a token for Nova: %w", err)
		}
		status, answer, err := c.post(ctx, token, body)
		if err != nil {
			return nil, err
		}
		if status == http.StatusUnauthorized {
			c.tokens.Forget(token)
			if again {
				continue
			}
		}
		return outcomes(status, answer, events)
	}
}

// post sends one request and reads a bounded answer.
func (c *client) post(ctx context.Context, token string, body []byte) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "lepton-controller",
		"X-Auth-Token": token, "X-OpenStack-Nova-API-Version": "2.1",
	} {
		r.Header.Set(name, value)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, fmt.Errorf("read Nova's answer: %w", err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, fmt.Errorf("read Nova's answer: it is larger than %d bytes", maxAnswer)
	}
	return res.StatusCode, answer, nil
}

// outcomes reads an answer: 200 when every event was taken, 207 with a code for
// each when not, 404 when none was.
func outcomes(status int, answer []byte, events []event) ([]outcome, error) {
	switch status {
	case http.StatusOK, http.StatusMultiStatus:
		return readAnswer(answer, events)
	case http.StatusNotFound:
		// A wrong URL is not found either, but not in Nova's words.
		var nova struct {
			ItemNotFound *struct{} `json:"itemNotFound"`
		}
		if json.Unmarshal(answer, &nova) != nil || nova.ItemNotFound == nil {
			return nil, errors.New("what answers at the URL of Nova knows no os-server-external-events: status 404")
		}
		out := make([]outcome, len(events))
		for i := range out {
			out[i].code = http.StatusNotFound
		}
		return out, nil
	case http.StatusBadRequest:
		return nil, fmt.Errorf("%w: %s", errRefused, excerpt(answer))
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("this user may not send events to Nova: status %d", status)
	}
	return nil, fmt.Errorf("status %d of Nova: %s", status, excerpt(answer))
}

// readAnswer finds each event in an answer. An event that is not in it has the
// outcome 0.
func readAnswer(answer []byte, events []event) ([]outcome, error) {
	var body struct {
		Events []struct {
			event
			Code int `json:"code"`
		} `json:"events"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Events == nil {
		return nil, fmt.Errorf("read Nova's answer: it is not JSON of events: %s", excerpt(answer))
	}
	type key struct{ name, server, tag string }
	codes := map[key]int{}
	for _, e := range body.Events {
		if e.Code >= 200 && e.Code < 600 {
			codes[key{e.Name, e.ServerID, e.Tag}] = e.Code
		}
	}
	out := make([]outcome, len(events))
	for i, e := range events {
		out[i].code = codes[key{e.Name, e.ServerID, e.Tag}]
	}
	return out, nil
}

// excerpt is the beginning of an answer, for people.
func excerpt(b []byte) string {
	const most = 200
	if len(b) > most {
		return fmt.Sprintf("%q…", b[:most])
	}
	return fmt.Sprintf("%q", b)
}
