package plugin

import (
	"reflect"
	"slices"
	"strings"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// InstanceSpec is an instance as a request asks for it.
type InstanceSpec struct{ model.Instance }

// InstanceView is an instance as the API shows it. Listed ones are without what
// may be long.
type InstanceView struct {
	*model.Instance
	Listed bool
}

// Bounds on what an instance may hold, in bytes, so that a record stays well
// below what the store takes.
const (
	MaxUserData   = 48 << 10 // 64 KiB as base64, as with Nova
	MaxVendorData = 64 << 10
	MaxPassword   = 4 * 255 // as with Nova
)

// The key that an instance holds of each of its ports.
func instanceKey(port string) string { return "instance/" + port }

func instanceClaims(i *model.Instance) []string {
	keys := quotaKeys(&i.Meta, QuotaInstance)
	for _, port := range i.Ports {
		keys = append(keys, instanceKey(port))
	}
	return keys
}

func instanceNotFound(id string) *Error { return NotFound("LeptonInstance", "Instance", id) }

// CreateInstance makes an instance.
func (p *Plugin) CreateInstance(c Call, u *records.Update, s *InstanceSpec) (string, error) {
	i := s.Instance
	p.newMeta(&i.Meta, 0)
	if i.Hostname == "" {
		i.Hostname = HostnameOf(i.Name, i.ID)
	}
	if err := p.takeQuota(c, u, &i.Meta, QuotaInstance); err != nil {
		return "", err
	}
	if err := p.bindInstance(c, u, nil, &i); err != nil {
		return "", err
	}
	records.Instances.Put(u, &i)
	return i.ID, nil
}

// UpdateInstance changes an instance.
func (p *Plugin) UpdateInstance(c Call, u *records.Update, before *InstanceView, s *InstanceSpec) error {
	i := s.Instance
	if i.Hostname == "" {
		i.Hostname = HostnameOf(i.Name, i.ID)
	}
	if reflect.DeepEqual(i, *before.Instance) {
		return nil
	}
	if err := p.bindInstance(c, u, before.Instance, &i); err != nil {
		return err
	}
	p.touch(&i.Meta)
	records.Instances.Put(u, &i)
	return nil
}

// bindInstance gives an instance its ports: what a guest on them is told is the
// instance's, so they have to be of the same project.
func (p *Plugin) bindInstance(c Call, u *records.Update, before, i *model.Instance) error {
	var have []string
	if before != nil {
		have = before.Ports
	}
	for _, id := range i.Ports {
		if slices.Contains(have, id) {
			continue
		}
		port, ok := records.Ports.Get(u, id)
		switch {
		case !ok || !p.maySeePort(c, u.Peek(), port):
			return NotFound("Port", "Port", id)
		case port.ProjectID != i.ProjectID:
			return Conflict("InstancePortOfOtherProject", "Port %s is of project %s and cannot be one of an instance of project %s.", id, port.ProjectID, i.ProjectID)
		case trusted(port.DeviceOwner):
			return Conflict("InstancePortInUse", "Port %s is of %s and cannot be an instance's.", id, port.DeviceOwner)
		}
	}
	var old []string
	if before != nil {
		old = instanceClaims(before)
	}
	if err := reclaim(u, i.ID, old, instanceClaims(i)); err != nil {
		for _, id := range i.Ports {
			if owner, ok := u.Claimed(instanceKey(id)); ok && owner != i.ID {
				return Conflict("InstancePortInUse", "Port %s is already one of instance %s.", id, owner)
			}
		}
		return err
	}
	return nil
}

// DeleteInstance removes an instance; its ports stay.
func (p *Plugin) DeleteInstance(u *records.Update, id string) error {
	i, ok := records.Instances.Get(u, id)
	if !ok {
		return instanceNotFound(id)
	}
	if err := reclaim(u, id, instanceClaims(i), nil); err != nil {
		return err
	}
	records.Instances.Delete(u, id)
	return nil
}

// TagInstance replaces an instance's tags.
func (p *Plugin) TagInstance(u *records.Update, before *model.Instance, tags []string) {
	i := *before
	p.retag(&i.Meta, tags)
	records.Instances.Put(u, &i)
}

// leaveInstance takes a port that goes away out of its instance.
func (p *Plugin) leaveInstance(u *records.Update, port string) {
	id, ok := u.Claimed(instanceKey(port))
	if !ok {
		return
	}
	u.Release(instanceKey(port))
	if before, ok := records.Instances.Get(u, id); ok {
		i := *before
		i.Ports = slices.DeleteFunc(slices.Clone(i.Ports), func(p string) bool { return p == port })
		p.touch(&i.Meta)
		records.Instances.Put(u, &i)
	}
}

// InstanceOf gives the instance that a port is of.
func InstanceOf(r records.Reader, port string) (*model.Instance, bool) {
	id, ok := r.Claimed(instanceKey(port))
	if !ok {
		return nil, false
	}
	return records.Instances.Get(r, id)
}

// SetInstancePassword keeps the password that the guest on a port posted: once,
// until the instance's owner takes it away.
func (p *Plugin) SetInstancePassword(u *records.Update, port, password string) error {
	before, ok := InstanceOf(u, port)
	switch {
	case !ok:
		return instanceNotFound("of port " + port)
	case len(password) > MaxPassword:
		return BadRequest("InvalidInput", "A password has at most %d bytes.", MaxPassword)
	case before.Password != "":
		return Conflict("InstancePasswordSet", "Instance %s has a password already.", before.ID)
	}
	i := *before
	i.Password = password
	p.touch(&i.Meta)
	records.Instances.Put(u, &i)
	return nil
}

// HostnameOf makes the name of a host of any name (RFC 1123): what is no letter,
// digit or dot becomes a hyphen; of nothing it makes "host-" and the id's
// beginning.
func HostnameOf(name, id string) string {
	var labels []string
	for label := range strings.SplitSeq(strings.ToLower(name), ".") {
		b := []byte(label)
		for i, c := range b {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				b[i] = '-'
			}
		}
		l := strings.Trim(string(b[:min(len(b), 63)]), "-")
		if l != "" {
			labels = append(labels, l)
		}
	}
	h := strings.Trim(strings.Join(labels, "."), "-.")
	if h == "" || len(h) > 253 {
		return "host-" + id[:min(len(id), 8)]
	}
	return h
}
