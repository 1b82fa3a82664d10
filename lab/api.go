package lab

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what is read of an API answer: 64 MiB.
const maxAnswer = 64 << 20

// APIURL is the Networking API's address on a controller's host.
const APIURL = "http://" + apiListen

// API speaks to a controller's Networking API.
type API struct {
	URL  string // without a slash at its end
	HTTP *http.Client
	// Token is shown as X-Auth-Token; empty: none.
	Token string
}

// API gives that of the lab's first controller, or of the one that Ask named; its
// connections start on that controller's host.
func (l *Lab) API() *API {
	if api := l.asked.Load(); api != nil {
		return api
	}
	return &API{URL: APIURL, HTTP: l.client}
}

// Ask has the lab use a host's controller from now on, for when the first one is
// away.
func (l *Lab) Ask(host string) error {
	api, err := l.APIOn(host)
	if err == nil {
		l.asked.Store(api)
	}
	return err
}

// APIOn gives the API of a host's controller; its connections start there.
func (l *Lab) APIOn(host string) (*API, error) {
	h, err := l.host(host)
	if err != nil {
		return nil, err
	}
	if h.Name == l.plan.controller().Name {
		return &API{URL: APIURL, HTTP: l.client}, nil
	}
	return &API{URL: APIURL, HTTP: clientIn(h.Namespace)}, nil
}

// answers asks the controller for its API versions.
func (a *API) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return a.Call(ctx, http.MethodGet, "/", nil, nil)
}

// StatusError is an answer of the API that says no.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Status, e.Body) }

// Message is what the API said, without the form around it.
func (e *StatusError) Message() string {
	var answer struct {
		NeutronError struct{ Message string }
		Error        struct{ Message string }
	}
	if err := json.Unmarshal([]byte(e.Body), &answer); err == nil {
		if m := cmp.Or(answer.NeutronError.Message, answer.Error.Message); m != "" {
			return m
		}
	}
	return e.Error()
}

// Call sends a request and decodes the answer. The path begins with a slash;
// body and answer may be nil. A refusal is a *StatusError.
func (a *API) Call(ctx context.Context, method, path string, body, answer any) error {
	if err := a.call(ctx, request{method, path, body}, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

type request struct {
	method, path string
	body         any
}

func (a *API) call(ctx context.Context, r request, answer any) error {
	resp, err := a.send(ctx, r, nil)
	if err != nil {
		return err
	}
	if resp.Status >= 400 {
		return &StatusError{resp.Status, string(bytes.TrimSpace(resp.Body))}
	}
	if answer == nil {
		return nil
	}
	return resp.Decode(answer)
}

// Response is an answer of the API, whatever it says.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body into a value.
func (r *Response) Decode(into any) error {
	if err := json.Unmarshal(r.Body, into); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// Do sends a request with headers, names and values in turn, and gives the
// answer, whatever it says. The body may be nil.
func (a *API) Do(ctx context.Context, method, path string, body any, headers ...string) (*Response, error) {
	resp, err := a.send(ctx, request{method, path, body}, headers)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return resp, nil
}

func (a *API) send(ctx context.Context, r request, headers []string) (*Response, error) {
	var payload io.Reader
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, a.URL+r.path, payload)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.Token != "" {
		req.Header.Set("X-Auth-Token", a.Token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	return &Response{resp.StatusCode, resp.Header, b}, nil
}

// Agent is an agent as the API shows it.
type Agent struct {
	ID             string         `json:"id"`
	Host           string         `json:"host"`
	Type           string         `json:"agent_type"`
	Binary         string         `json:"binary"`
	Alive          bool           `json:"alive"`
	AdminStateUp   bool           `json:"admin_state_up"`
	HeartbeatAt    string         `json:"heartbeat_timestamp"`
	Configurations Configurations `json:"configurations"`
}

// Configurations is the part of an agent's configurations that tells how it is.
type Configurations struct {
	BridgeMappings map[string]string `json:"bridge_mappings"`
	TunnelTypes    []string          `json:"tunnel_types"`
	TunnelIP       string            `json:"tunneling_ip"`
	Devices        int               `json:"devices"`
	// InSync tells whether the host is as the controller wants it; agents that
	// are about something else have none.
	InSync   *bool    `json:"in_sync,omitempty"`
	Problems []string `json:"problems"` // what the host cannot do, one sentence each
}

// Ready reports whether the agent is alive and its host is in sync.
func (a Agent) Ready() bool {
	return a.Alive && a.Configurations.InSync != nil && *a.Configurations.InSync
}

// Agents lists the agents.
func (a *API) Agents(ctx context.Context) ([]Agent, error) {
	var answer struct {
		Agents []Agent `json:"agents"`
	}
	err := a.Call(ctx, http.MethodGet, "/v2.0/agents", nil, &answer)
	return answer.Agents, err
}

// isStatus reports whether the API refused with that status.
func isStatus(err error, status int) bool {
	var se *StatusError
	return errors.As(err, &se) && se.Status == status
}
