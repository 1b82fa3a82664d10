package plugin

import (
	"github.com/google/uuid"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// ImportAttr is the attribute by which an administrator makes an object that
// another network service had: with its id, its times and what else that service
// chose by itself. Quotas do not keep such an object from being made, and what
// would be made along with a new one is not made along with it.
const ImportAttr = "lepton_import"

// Imported reports whether the request makes an object that another service had.
func (c Call) Imported() bool { return c.Has(ImportAttr) }

// ImportedPort is the port of a gateway or a floating address that is imported.
type ImportedPort struct {
	ID  string
	MAC model.MAC
}

// identify gives a service port the id and the MAC that it had; without an
// imported one, new ones.
func (p *Plugin) identify(u *records.Update, port *model.Port, had *ImportedPort) error {
	if had == nil {
		p.newMeta(&port.Meta, 1)
		mac, err := p.newMAC(u, port.NetworkID, port.ID)
		port.MAC = mac
		return err
	}
	if _, ok := records.Ports.Get(u, had.ID); ok {
		return alreadyThere("Port", had.ID)
	}
	port.ID, port.MAC = had.ID, had.MAC
	p.newMeta(&port.Meta, 1)
	return nil
}

// alreadyThere refuses to import what is there.
func alreadyThere(title, id string) *Error {
	return Conflict("LeptonImportExists", "%s %s exists already.", title, id)
}

// AlreadyThere is the refusal of an object that is there.
func AlreadyThere(title, id string) *Error { return alreadyThere(title, id) }

// importDefaultGroup makes an imported group its project's default group. A
// default group that was made meanwhile, and that nothing is in, gives way.
func (p *Plugin) importDefaultGroup(c Call, u *records.Update, g *model.SecurityGroup) error {
	if other, ok := u.Claimed(defaultGroupKey(g.ProjectID)); ok {
		if held(u, groupUsePrefix(other)) || held(u, groupRemotePrefix(other)) {
			return groupNameTaken()
		}
		if err := p.DeleteGroup(c, u, other); err != nil {
			return err
		}
	}
	return u.Claim(defaultGroupKey(g.ProjectID), g.ID)
}

// segmentMeta begins a segment of a network; an imported network's have the ids
// that they had.
func (p *Plugin) segmentMeta(u *records.Update, m *model.Meta, ids []string, at int) error {
	if at < len(ids) {
		if _, _, ok := FindSegment(u, ids[at]); ok {
			return alreadyThere("Segment", ids[at])
		}
		m.ID = ids[at]
	}
	p.newMeta(m, 0)
	return nil
}

// newID gives the id that an imported object had, or a new one.
func newID(had string) string {
	if had != "" {
		return had
	}
	return uuid.NewString()
}
