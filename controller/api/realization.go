package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// Extension lepton-realization: what hosts made of a port, a router, a floating
// IP, or a network's DHCP.
//
//	GET /v2.0/ports/<id>/lepton-realization
//	{"lepton_realization": {"desired_revision": 7, "realized": false, "hosts": [
//	    {"host": "hv1", "part": "port", "state": "ERROR", "desired_revision": 7, "applied_revision": 5,
//	     "realized": false, "error": "bridge br-x is missing", "since": "2026-01-31T12:00:00Z"}]}}
//
// It is for administrators. There is one entry for each host that is to have the
// object, also for those that have not said anything of it yet (state PENDING),
// and for those that still have it (desired_revision 0). A part is realized when
// its host has the present revision and says so without an error; applied_revision
// is null for parts that follow several objects.
const realizationPath = "lepton-realization"

// part is what one host made of an object, or is to make.
type part struct {
	host, name, state string
	wanted            bool
	applied           int64 // revision; 0: not told
	err               string
	since             time.Time
}

// realized reports whether the part is as it should be.
func (p part) realized(revision int64) bool {
	ok := p.state == string(model.ObjectActive) || p.state == string(model.ObjectStandby)
	return p.wanted && ok && (p.applied == 0 || p.applied >= revision)
}

func (p part) object(revision int64) object {
	o := object{{"host", p.host}, {"part", p.name}, {"state", p.state}}
	switch {
	case !p.wanted:
		o = append(o, member{"desired_revision", 0})
	default:
		o = append(o, member{"desired_revision", revision})
	}
	if p.applied == 0 {
		o = append(o, member{"applied_revision", nil})
	} else {
		o = append(o, member{"applied_revision", p.applied})
	}
	o = append(o, member{"realized", p.realized(revision)}, member{"error", p.err})
	if p.since.IsZero() {
		return append(o, member{"since", nil})
	}
	return append(o, member{"since", p.since})
}

// serveRealization answers for one object.
func (c *collection[S, V]) serveRealization(ctx context.Context, rq *request, id string) (response, error) {
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	var answer object
	err := c.api.read(ctx, func(r records.Reader) error {
		v, err := c.seen(r, rq.who, id)
		if err != nil {
			return err
		}
		if !rq.who.Admin {
			return forbidden("get_" + c.member + "_realization")
		}
		answer = object{{"lepton_realization", realization(c.meta(v).Revision, c.parts(r, v))}}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, answer)}, err
}

func realization(revision int64, parts []part) object {
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.name, b.name))
	})
	all, hosts := len(parts) > 0, make([]object, 0, len(parts))
	for _, p := range parts {
		all = all && p.realized(revision)
		hosts = append(hosts, p.object(revision))
	}
	return object{{"desired_revision", revision}, {"realized", all}, {"hosts", hosts}}
}

// partsOf joins the hosts that are to have an object and those that say they do.
func partsOf(r records.Reader, kind model.ObjectKind, id string, wanted []string) []part {
	var out []part
	for st := range records.ObjectStatusesByObject.Get(r, records.ObjectKey(kind, id)) {
		p := part{host: st.Host, name: string(kind), state: string(st.State), applied: st.Revision, err: st.Error, since: st.Since}
		p.wanted = slices.Contains(wanted, st.Host)
		out = append(out, p)
	}
	for _, host := range wanted {
		if !slices.ContainsFunc(out, func(p part) bool { return p.host == host }) {
			out = append(out, part{host: host, name: string(kind), state: statePending, wanted: true})
		}
	}
	return out
}

// statePending is a host's that has said nothing of an object.
const statePending = "PENDING"

func portParts(r records.Reader, v *portView) []part {
	var out []part
	if host := v.Host; host != "" {
		p := part{host: host, name: "port", state: statePending, wanted: true}
		if st, ok := records.PortStatuses.Get(r, v.ID); ok && st.Host == host {
			p.state, p.applied, p.err, p.since = string(st.State), st.Revision, st.Error, st.Since
		}
		out = append(out, p)
	}
	// A server may have the port or not, as its subnets have DHCP or not: only
	// what is said is shown.
	for st := range records.ObjectStatusesByObject.Get(r, records.ObjectKey(model.ObjectDHCPPort, v.ID)) {
		out = append(out, part{
			host: st.Host, name: string(model.ObjectDHCPPort), state: string(st.State), wanted: true,
			applied: st.Revision, err: st.Error, since: st.Since,
		})
	}
	return out
}

// routerHosts gives the hosts of a router.
func routerHosts(r records.Reader, router string) []string {
	var out []string
	if b, ok := records.RouterBindings.Get(r, router); ok {
		for _, h := range b.Hosts {
			out = append(out, h.Host)
		}
	}
	return out
}

func routerParts(r records.Reader, v *routerView) []part {
	return partsOf(r, model.ObjectRouter, v.ID, routerHosts(r, v.ID))
}

func floatingParts(r records.Reader, v *floatingView) []part {
	if v.RouterID == "" {
		return partsOf(r, model.ObjectFloatingIP, v.ID, nil)
	}
	return partsOf(r, model.ObjectFloatingIP, v.ID, routerHosts(r, v.RouterID))
}

func networkParts(r records.Reader, v *networkView) []part {
	var hosts []string
	if b, ok := records.DHCPBindings.Get(r, v.ID); ok {
		for _, h := range b.Hosts {
			hosts = append(hosts, h.Host)
		}
	}
	return partsOf(r, model.ObjectDHCP, v.ID, hosts)
}
