package metadata

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
)

// openstackVersions are the versions of OpenStack's documents, in order.
func openstackVersions() []string {
	return []string{
		"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14",
	}
}

// file is a document of OpenStack's.
type file struct {
	name  string
	since string // the version in which it appeared
	reply func(*Guest, Request, string) Reply
}

// files are the documents in the order in which they are listed. Those that an
// instance does not have are not among them.
func files(g *Guest) []file {
	all := []file{{"meta_data.json", "2012-08-10", func(g *Guest, _ Request, version string) Reply { return document(metaData(g, version)) }}}
	if len(g.UserData) > 0 {
		all = append(all, file{"user_data", "2012-08-10", func(g *Guest, _ Request, _ string) Reply {
			return Reply{Status: http.StatusOK, ContentType: anyBytes, Body: g.UserData}
		}})
	}
	return append(all,
		file{"password", "2013-04-04", func(g *Guest, rq Request, _ string) Reply { return password(g, rq) }},
		file{"vendor_data.json", "2013-10-17", func(g *Guest, _ Request, _ string) Reply { return document(vendorData(g)) }},
		file{"network_data.json", "2015-10-15", func(g *Guest, _ Request, _ string) Reply { return document(networkData(g)) }},
		file{"vendor_data2.json", "2016-10-06", func(g *Guest, _ Request, _ string) Reply {
			return document(map[string]any{"static": vendorData(g)})
		}},
	)
}

// openstack answers a request below /openstack.
func openstack(g *Guest, rq Request, parts []string) Reply {
	versions := openstackVersions()
	switch {
	case len(parts) > 0 && len(parts) <= 2 && parts[0] == latest:
		parts[0] = versions[len(versions)-1]
	case len(parts) > 2 || len(parts) > 0 && !slices.Contains(versions, parts[0]):
		return refusal(http.StatusNotFound)
	}
	if len(parts) == 2 {
		for _, f := range files(g) {
			if f.name == parts[1] && f.since <= parts[0] {
				if !reads(rq.Method) && f.name != "password" {
					return refusal(http.StatusMethodNotAllowed)
				}
				return f.reply(g, rq, parts[0])
			}
		}
		return refusal(http.StatusNotFound)
	}
	if !reads(rq.Method) {
		return refusal(http.StatusMethodNotAllowed)
	}
	if len(parts) == 0 {
		return lines(append(versions, latest))
	}
	var names []string
	for _, f := range files(g) {
		if f.since <= parts[0] {
			names = append(names, f.name)
		}
	}
	return lines(names)
}

func document(v any) Reply {
	b, err := json.Marshal(v)
	if err != nil { // values come from JSON
		panic("metadata: " + err.Error())
	}
	return Reply{Status: http.StatusOK, ContentType: jsonText, Body: b}
}

// metaData is meta_data.json.
func metaData(g *Guest, version string) map[string]any {
	m := map[string]any{
		"uuid":              g.ID,
		"hostname":          g.fqdn(),
		"name":              g.Name,
		"launch_index":      0,
		"availability_zone": g.zone(),
	}
	if len(g.Metadata) > 0 {
		m["meta"] = g.Metadata
	}
	if len(g.Keys) > 0 {
		public, list := map[string]string{}, []map[string]string{}
		for _, k := range g.Keys {
			public[k.Name] = k.Data
			list = append(list, map[string]string{"name": k.Name, "type": "ssh", "data": k.Data})
		}
		m["public_keys"] = public
		if version >= "2013-10-17" {
			m["keys"] = list
		}
	}
	if version >= "2013-04-04" {
		m["random_seed"] = base64.StdEncoding.EncodeToString(g.Seed)
	}
	if version >= "2015-10-15" {
		m["project_id"] = g.ProjectID
	}
	if version >= "2016-06-30" {
		m["devices"] = []any{}
	}
	if version >= "2020-10-14" {
		m["dedicated_cpus"] = []any{}
	}
	return m
}

func vendorData(g *Guest) map[string]any {
	if g.VendorData == nil {
		return map[string]any{}
	}
	return g.VendorData
}
