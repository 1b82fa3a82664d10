package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/lepton-sdn/lepton/controller/explain"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// This file: /v2.0/lepton-status/ports, which ports are wired, and why others are
// not.

// maxWired is the largest page of ports, and the usual one.
const maxWired = 1000

// wiringQuery chooses ports.
type wiringQuery struct {
	host, network, marker string
	notWired              bool
	limit                 int
}

func readWiring(q *query) (wiringQuery, error) {
	out := wiringQuery{limit: maxWired, marker: q.marker}
	if q.limit > 0 {
		out.limit = min(q.limit, maxWired)
	}
	for _, name := range q.order {
		values := q.filters[name]
		switch name {
		case "host":
			out.host = values[0]
		case "network":
			out.network = values[0]
		case "not_wired":
			yes, err := strconv.ParseBool(strings.ToLower(values[0]))
			if err != nil {
				return out, badRequest("Invalid input for not_wired. Reason: '%s' is neither true nor false.", clip(values[0]))
			}
			out.notWired = yes
		default:
			return out, badRequest("Unrecognized parameter '%s': there are host, network, not_wired, limit and marker.", clip(name))
		}
	}
	return out, nil
}

// ports answers with a page of ports in the order of ids, next is the marker of
// the page after it.
func (e statusEndpoint) ports(ctx context.Context, rq *request) (response, error) {
	q, err := readWiring(&rq.query)
	if err != nil {
		return response{}, err
	}
	page, next := []object{}, ""
	err = e.api.read(ctx, func(r records.Reader) error {
		for p := range records.Ports.After(r, q.marker) {
			if !q.takes(r, p) {
				continue
			}
			if len(page) == q.limit {
				next = page[len(page)-1][0].value.(string)
				return nil
			}
			page = append(page, wiredPort(r, p))
		}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, object{
		{"lepton_status", object{{"ports", page}, {"next_marker", orNull(next)}}},
	})}, err
}

func (q *wiringQuery) takes(r records.Reader, p *model.Port) bool {
	switch {
	case q.host != "" && p.Host != q.host:
		return false
	case q.network != "" && p.NetworkID != q.network && networkName(r, p.NetworkID) != q.network:
		return false
	}
	return !q.notWired || missing(r, p)
}

// missing reports whether a port should be wired and is not: one that is bound,
// and switched on.
func missing(r records.Reader, p *model.Port) bool {
	if p.Host == "" || !p.AdminStateUp {
		return false
	}
	reason, _, _ := explain.Wiring(r, p)
	return reason != ""
}

func networkName(r records.Reader, id string) string {
	if n, ok := records.Networks.Get(r, id); ok {
		return n.Name
	}
	return ""
}

func wiredPort(r records.Reader, p *model.Port) object {
	reason, about, text := explain.Wiring(r, p)
	if about == "network" {
		text = "its network " + text
	}
	state := statePending
	if st, ok := records.PortStatuses.Get(r, p.ID); ok && st.Host == p.Host && p.Host != "" {
		state = string(st.State)
		if reason == "" {
			text = st.Error // wired, but not all of it
		}
	}
	ips := make([]string, 0, len(p.FixedIPs))
	for _, f := range p.FixedIPs {
		ips = append(ips, f.IP.String())
	}
	return object{
		{"id", p.ID},
		{"name", p.Name},
		{"network_id", p.NetworkID},
		{"network_name", networkName(r, p.NetworkID)},
		{"fixed_ips", ips},
		{"mac_address", p.MAC.String()},
		{"host", orNull(p.Host)},
		{"device_owner", p.DeviceOwner},
		{"state", state},
		{"wired", reason == ""},
		{"reason", orNull(string(reason))},
		{"text", text},
	}
}
