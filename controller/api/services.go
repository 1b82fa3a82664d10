package api

// serviceEndpoints are the collections of what is done to networks and ports
// besides connecting them.
func serviceEndpoints(a *API) map[string]endpoint {
	return map[string]endpoint{
		"qos":      newQoS(a),
		"trunks":   newTrunks(a),
		"log":      newLogging(a),
		"policies": taggable{newQoSPolicies(a)},
	}
}
