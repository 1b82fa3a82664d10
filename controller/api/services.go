package api

// serviceEndpoints are the collections of what is done to networks and ports
// besides connecting them.
func serviceEndpoints(a *API) map[string]endpoint {
	return map[string]endpoint{
		"qos":               newQoS(a),
		"flavors":           newFlavors(a),
		"service_profiles":  newProfiles(a),
		"service-providers": newProviders(a),
		"ndp_proxies":       newNDPProxies(a),
		"trunks":            newTrunks(a),
		"metering":          newMetering(a),
		"local_ips":         newLocalIPs(a),
		"log":               newLogging(a),
		"lepton-instances":  newInstances(a),
		"lepton-status":     newStatus(a),
		"lepton-explain":    newExplainer(a),
		"lepton-events":     eventList{a},
		"policies":          taggable{newQoSPolicies(a)},
	}
}
