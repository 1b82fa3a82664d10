package api

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lepton-sdn/lepton/controller/identity"
	"github.com/lepton-sdn/lepton/controller/plugin"
	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

type (
	instanceSpec = plugin.InstanceSpec
	instanceView = plugin.InstanceView
)

// newInstances serves /v2.0/lepton-instances (extension lepton-instances): what
// guests are told about themselves by the metadata service; docs/metadata.md
// lists the attributes. Lists are without user_data, vendor_data and password.
func newInstances(a *API) endpoint {
	p := a.config.Plugin
	view := func(_ records.Reader, i *model.Instance) *instanceView { return &instanceView{Instance: i} }
	listed := func(_ records.Reader, i *model.Instance) *instanceView {
		return &instanceView{Instance: i, Listed: true}
	}
	all := func(recs iter.Seq[*model.Instance]) iter.Seq[*instanceView] {
		return views(recs, func(i *model.Instance) *instanceView { return listed(nil, i) })
	}
	return (&collection[instanceSpec, instanceView]{
		api: a, member: "lepton_instance", plural: "lepton_instances", path: "lepton-instances",
		kind: "LeptonInstance", title: "Instance", bulk: true,
		attrs: instanceAttrs(),
		id:    func(v *instanceView) string { return v.ID },
		meta:  func(v *instanceView) *model.Meta { return &v.Meta },
		target: func(_ records.Reader, v *instanceView) identity.Target {
			return identity.Target{ProjectID: v.ProjectID}
		},
		find:  found(records.Instances, view),
		all:   func(r records.Reader) iter.Seq[*instanceView] { return all(records.Instances.All(r)) },
		after: func(r records.Reader, id string) iter.Seq[*instanceView] { return all(records.Instances.After(r, id)) },
		hints: []hint[instanceView]{
			{"project_id", byIndex(records.Instances, records.InstancesByProject, listed)},
			{"tenant_id", byIndex(records.Instances, records.InstancesByProject, listed)},
			{"name", byIndex(records.Instances, records.InstancesByName, listed)},
		},
		fresh: func(rq *request) *instanceSpec {
			s := &instanceSpec{}
			s.ProjectID = rq.who.ProjectID
			return s
		},
		load:       func(v *instanceView) *instanceSpec { return &instanceSpec{Instance: *v.Instance} },
		create:     p.CreateInstance,
		update:     p.UpdateInstance,
		remove:     func(_ plugin.Call, u *records.Update, id string) error { return p.DeleteInstance(u, id) },
		tag:        func(u *records.Update, v *instanceView, tags []string) { p.TagInstance(u, v.Instance, tags) },
		specTarget: ownedTarget(func(s *instanceSpec) *model.Meta { return &s.Meta }),
	}).governed()
}

func instanceAttrs() []attr[instanceSpec, instanceView] {
	type row = attr[instanceSpec, instanceView]
	table := common(
		func(s *instanceSpec) *model.Meta { return &s.Meta },
		func(v *instanceView) *model.Meta { return v.GetMeta() })
	word := func(name string, field func(*model.Instance) *string) row {
		return row{
			name: name, create: true, update: true, standard: "", check: nullable(text255), filter: byText, sort: true,
			set: func(s *instanceSpec, v any) { *field(&s.Instance), _ = v.(string) },
			get: func(v *instanceView) any { return *field(v.Instance) },
		}
	}
	hostname := word("hostname", func(i *model.Instance) *string { return &i.Hostname })
	hostname.check = nullable(relativeName) // none: made of the name
	table = append(table, hostname,
		word("availability_zone", func(i *model.Instance) *string { return &i.AvailabilityZone }),
		word("image_id", func(i *model.Instance) *string { return &i.ImageID }),
		word("instance_type", func(i *model.Instance) *string { return &i.InstanceType }))
	return append(append(table, instanceData()...), row{
		name: "port_ids", create: true, update: true, standard: []string{}, check: instancePorts,
		set: func(s *instanceSpec, v any) { s.Ports = someOf(v.([]string)) },
		get: func(v *instanceView) any { return list(v.Ports) },
	}, row{
		name: "password", update: true, check: noPassword,
		set: func(s *instanceSpec, _ any) { s.Password = "" },
		get: unlisted(func(v *instanceView) any { return orNull(v.Password) }),
	})
}

// instanceData are the attributes that a guest is given as they are.
func instanceData() []attr[instanceSpec, instanceView] {
	return []attr[instanceSpec, instanceView]{
		{
			name: "keys", create: true, update: true, standard: []model.InstanceKey{}, check: instanceKeys,
			set: func(s *instanceSpec, v any) { s.Keys = someOf(v.([]model.InstanceKey)) },
			get: func(v *instanceView) any {
				keys := []object{}
				for _, k := range v.Keys {
					keys = append(keys, object{{"name", k.Name}, {"public_key", k.Data}})
				}
				return keys
			},
		},
		{
			name: "metadata", create: true, update: true, standard: map[string]string{}, check: instanceMetadata,
			set: func(s *instanceSpec, v any) { s.Metadata = someIn(v.(map[string]string)) },
			get: func(v *instanceView) any {
				o := object{}
				for _, key := range slices.Sorted(maps.Keys(v.Metadata)) {
					o = append(o, member{key, v.Metadata[key]})
				}
				return o
			},
		},
		{
			name: "user_data", create: true, update: true, check: nullable(userData),
			set: func(s *instanceSpec, v any) { s.UserData, _ = v.([]byte) },
			get: unlisted(func(v *instanceView) any { return orNull(base64.StdEncoding.EncodeToString(v.UserData)) }),
		},
		{
			name: "vendor_data", create: true, update: true, check: nullable(vendorData),
			set: func(s *instanceSpec, v any) {
				o, _ := v.(map[string]any)
				s.VendorData = someIn(o)
			},
			get: unlisted(func(v *instanceView) any {
				if v.VendorData == nil {
					return nil
				}
				return v.VendorData
			}),
		},
	}
}

// unlisted leaves an attribute out of lists.
func unlisted(get func(*instanceView) any) func(*instanceView) any {
	return func(v *instanceView) any {
		if v.Listed {
			return absent
		}
		return get(v)
	}
}

// someOf is nil for an empty list, as records have it.
func someOf[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

func someIn[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

// Bounds on the parts of an instance.
const (
	maxInstancePorts = 64
	maxInstanceKeys  = 16
	maxKeyLength     = 16 << 10
	maxMetadata      = 128 // items, as with Nova
)

func instancePorts(v any) (any, error) {
	if v == nil {
		return []string{}, nil
	}
	ids, err := uuidList(v)
	if err == nil && len(ids.([]string)) > maxInstancePorts {
		return nil, wrong("an instance has at most %d ports", maxInstancePorts)
	}
	return ids, err
}

var (
	keyNamePattern = regexp.MustCompile(`^[A-Za-z0-9@._ -]{1,255}$`)
	// keyPattern is a line of authorized_keys without options (sshd(8)).
	keyPattern = regexp.MustCompile(`^((ssh|ecdsa|sk)-[A-Za-z0-9@.-]{1,60}) ([A-Za-z0-9+/]+={0,2})( [^\x00-\x1f\x7f]*)?$`)
)

// instanceKeys takes a list of public keys: {"name", "public_key"}.
func instanceKeys(v any) (any, error) {
	if v == nil {
		return []model.InstanceKey{}, nil
	}
	keys, err := objects(instanceKey)(v)
	if err != nil {
		return nil, err
	}
	list := keys.([]model.InstanceKey)
	if len(list) > maxInstanceKeys {
		return nil, wrong("an instance has at most %d keys", maxInstanceKeys)
	}
	for i, k := range list {
		if slices.ContainsFunc(list[:i], func(o model.InstanceKey) bool { return o.Name == k.Name }) {
			return nil, wrong("Duplicate items in the list: '%s'", k.Name)
		}
	}
	return list, nil
}

func instanceKey(o map[string]any) (k model.InstanceKey, err error) {
	if err := only(o, "name", "public_key"); err != nil {
		return k, err
	}
	k.Name, _ = o["name"].(string)
	if !keyNamePattern.MatchString(k.Name) {
		return k, wrong("'%s' is not the name of a key: letters, digits, spaces and @._- are allowed", textOf(o["name"]))
	}
	data, _ := o["public_key"].(string)
	k.Data = strings.TrimSpace(data)
	if len(k.Data) > maxKeyLength || !sshKey(k.Data) {
		return k, wrong("'%s' is not an SSH public key in one line", textOf(o["public_key"]))
	}
	return k, nil
}

// sshKey reports whether a line is a public key as OpenSSH writes it: the
// algorithm, the same once more at the beginning of the key (RFC 4253, section
// 6.6), and a comment.
func sshKey(line string) bool {
	parts := keyPattern.FindStringSubmatch(line)
	if parts == nil || !utf8.ValidString(line) {
		return false
	}
	blob, err := base64.StdEncoding.DecodeString(parts[3])
	kind := parts[1]
	return err == nil && len(blob) > 4+len(kind) && string(blob[:4]) == "\x00\x00\x00"+string(rune(len(kind))) && string(blob[4:4+len(kind)]) == kind
}

// instanceMetadata takes an object of texts.
func instanceMetadata(v any) (any, error) {
	if v == nil {
		return map[string]string{}, nil
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, wrong("'%s' is not a dictionary", textOf(v))
	}
	if len(o) > maxMetadata {
		return nil, wrong("an instance has at most %d items of metadata", maxMetadata)
	}
	out := map[string]string{}
	for key, value := range o {
		if key == "" {
			return nil, wrong("a key is empty")
		}
		if _, err := text255(key); err != nil {
			return nil, err
		}
		s, err := text255(value)
		if err != nil {
			return nil, wrong("'%s': %s", clip(key), err)
		}
		out[key] = s.(string)
	}
	return out, nil
}

// userData takes bytes as base64 (RFC 4648, section 4); line breaks in it are
// ignored.
func userData(v any) (any, error) {
	s, ok := v.(string)
	if !ok {
		return nil, wrong("'%s' is not a valid string", textOf(v))
	}
	b, err := base64.StdEncoding.DecodeString(s)
	switch {
	case err != nil:
		return nil, wrong("'%s' is not base64", textOf(v))
	case len(b) > plugin.MaxUserData:
		return nil, wrong("user data of %d bytes is longer than %d", len(b), plugin.MaxUserData)
	case len(b) == 0:
		return nil, nil
	}
	return b, nil
}

func vendorData(v any) (any, error) {
	o, err := dictionary(v)
	if err != nil {
		return nil, err
	}
	if b, err := json.Marshal(o); err != nil || len(b) > plugin.MaxVendorData {
		return nil, wrong("vendor data of %d bytes is longer than %d", len(b), plugin.MaxVendorData)
	}
	return o, nil
}

// noPassword takes what takes a password away.
func noPassword(v any) (any, error) {
	if v == nil || v == "" {
		return "", nil
	}
	return nil, wrong("a password is set by the guest; null takes it away")
}
