package api

import "testing"

func TestAMemberTagsAQoSPolicyOfItsProjectButChangesNothingElse(t *testing.T) {
	c := rightsCloud(t)
	admin, one, two := as("ops", "admin"), as("p1", "member"), as("p2", "member")
	policy := c.must(201, "POST", "/v2.0/qos/policies", `{"policy": {"name": "q", "project_id": "p1"}}`, admin...)
	path := "/v2.0/qos/policies/" + id(policy)
	c.must(201, "PUT", path+"/tags/gold", nil, one...)
	if got := c.must(200, "GET", path, nil, one...); len(got["tags"].([]any)) != 1 {
		t.Errorf("policy %v", got)
	}
	for _, f := range []struct {
		name, method, path, body string
		who                      []string
		status                   int
		kind                     string
	}{
		{"another project's tag", "PUT", path + "/tags/x", "", two, 404, "QosPolicyNotFound"},
		{"a reader's tag", "PUT", path + "/tags/x", "", as("p1", "reader"), 403, "PolicyNotAuthorized"},
		{"another name", "PUT", path, `{"policy": {"name": "x"}}`, one, 403, "PolicyNotAuthorized"},
		{"a rule of one's own policy", "POST", path + "/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 26}}`, one, 403, "PolicyNotAuthorized"},
		{"a rule of a policy that one does not see", "POST", path + "/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 26}}`, two, 403, "PolicyNotAuthorized"},
		{"a rule of no policy", "POST", "/v2.0/qos/policies/none/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 1}}`, one, 403, "PolicyNotAuthorized"},
		{"an administrator's rule of no policy", "POST", "/v2.0/qos/policies/none/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 1}}`, admin, 404, "QosPolicyNotFound"},
	} {
		t.Run(f.name, func(t *testing.T) {
			var body any
			if f.body != "" {
				body = f.body
			}
			if status, out, _ := c.call(f.method, f.path, body, f.who...); status != f.status || refusedType(out) != f.kind {
				t.Errorf("%d %v, want %d %s", status, out, f.status, f.kind)
			}
		})
	}
}

func TestAQoSPolicyInUseStaysShared(t *testing.T) {
	c := rightsCloud(t)
	admin, two := as("ops", "admin"), as("p2", "member")
	policy := id(c.must(201, "POST", "/v2.0/qos/policies", `{"policy": {"name": "q"}}`, admin...))
	path := "/v2.0/qos/policies/" + policy
	refused := func(method, path, body string) {
		t.Helper()
		var content any
		if body != "" {
			content = body
		}
		if status, out, _ := c.call(method, path, content, admin...); status != 409 || refusedType(out) != "RbacPolicyInUse" {
			t.Errorf("%s %s: %d %v", method, path, status, out)
		}
	}
	shared := c.share(admin, "qos_policy", policy, "p2")
	if status, out, _ := c.call("POST", "/v2.0/rbac-policies", `{"rbac_policy": {"object_type": "qos_policy", "object_id": "`+policy+
		`", "action": "access_as_shared", "target_tenant": "p3"}}`, two...); status != 400 || refusedType(out) != "InvalidInput" {
		t.Errorf("sharing what is another's: %d %v", status, out)
	}
	network := c.as(two, "networks", "network", `{"qos_policy_id": "`+policy+`"}`)
	refused("DELETE", "/v2.0/rbac-policies/"+shared, "")
	wide := c.share(admin, "qos_policy", policy, "*")
	c.must(204, "DELETE", "/v2.0/rbac-policies/"+shared, nil, admin...)
	refused("DELETE", "/v2.0/rbac-policies/"+wide, "")
	refused("PUT", "/v2.0/rbac-policies/"+wide, `{"rbac_policy": {"target_tenant": "p2"}}`)
	c.must(204, "DELETE", "/v2.0/networks/"+network, nil, two...)
	own := c.as(admin, "networks", "network", `{"qos_policy_id": "`+policy+`"}`)
	refused("PUT", path, `{"policy": {"shared": false}}`)
	c.must(204, "DELETE", "/v2.0/networks/"+own, nil, admin...)
	c.must(200, "PUT", path, `{"policy": {"shared": false}}`, admin...)
}
