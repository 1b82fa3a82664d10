package nova

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/provision"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// The names of events (Compute API, "Create external events").
const (
	vifPlugged     = "network-vif-plugged"
	vifUnplugged   = "network-vif-unplugged"
	vifDeleted     = "network-vif-deleted"
	networkChanged = "network-changed"
)

// Values of an event's status.
const (
	completed = "completed"
	failed    = "failed"
)

// event is one of Nova's external events; tag is the port.
type event struct {
	Name     string `json:"name"`
	ServerID string `json:"server_uuid"`
	Tag      string `json:"tag"`
	Status   string `json:"status,omitempty"`
}

// server gives the server that a port belongs to, "" for none. Nova knows
// servers by UUIDs only.
func server(p *model.Port) string {
	if p == nil || !strings.HasPrefix(p.DeviceOwner, "compute:") {
		return ""
	}
	id, err := uuid.Parse(p.DeviceID)
	if err != nil || len(p.DeviceID) != len(id.String()) { // braces and URNs are UUIDs to the parser
		return ""
	}
	return id.String()
}

// current is what a notice about the port would say now; nil for a port that is
// no server's, or gone.
func current(r records.Reader, port string) *model.ServerNotice {
	p, ok := records.Ports.Get(r, port)
	if !ok || server(p) == "" {
		return nil
	}
	n := &model.ServerNotice{PortID: port, ServerID: server(p), Revision: p.Revision}
	n.State, n.Since = provision.State(r, p)
	for f := range records.FloatingIPsByPort.Get(r, port) {
		n.Floating = append(n.Floating, f.FloatingIP.String()+" "+f.FixedIP.String())
	}
	slices.Sort(n.Floating)
	return n
}

// difference gives the events that lead from what was told to what is; either
// may be nil. gone says that the port was deleted.
func difference(told, now *model.ServerNotice, gone bool) []event {
	switch {
	case now == nil && told != nil && gone:
		return []event{{Name: vifDeleted, ServerID: told.ServerID, Tag: told.PortID}}
	case now == nil:
		return nil // another's now: whoever changed its owner knows
	case told == nil || told.ServerID != now.ServerID:
		// Nova itself gave the port to the server, so that is no news.
		told = &model.ServerNotice{State: model.PortDown, Revision: now.Revision}
	}
	var events []event
	if name, status := plugging(told, now); name != "" {
		events = append(events, event{name, now.ServerID, now.PortID, status})
	}
	if told.Revision != now.Revision || !slices.Equal(told.Floating, now.Floating) {
		events = append(events, event{Name: networkChanged, ServerID: now.ServerID, Tag: now.PortID})
	}
	return events
}

// plugging gives the event about a change of status, if any. A port that went
// down and came up again between two looks was plugged again.
func plugging(told, now *model.ServerNotice) (name, status string) {
	switch now.State {
	case model.PortActive:
		if told.State != model.PortActive || !told.Since.Equal(now.Since) {
			return vifPlugged, completed
		}
	case model.PortError:
		if told.State == model.PortDown {
			return vifPlugged, failed
		}
	case model.PortDown:
		if told.State == model.PortActive {
			return vifUnplugged, completed
		}
	}
	return "", ""
}

// older reports whether a port without a notice was as it is before Nova was
// told anything: such a port is taken note of in silence, or a cloud that learns
// to tell would begin with a flood of old news.
func older(r records.Reader, now *model.ServerNotice, begun time.Time) bool {
	p, ok := records.Ports.Get(r, now.PortID)
	return ok && p.UpdatedAt.Before(begun) && now.Since.Before(begun)
}

func sameNotice(a, b *model.ServerNotice) bool {
	return a == b || a != nil && b != nil && a.ServerID == b.ServerID && a.State == b.State &&
		a.Since.Equal(b.Since) && a.Revision == b.Revision && slices.Equal(a.Floating, b.Floating)
}
