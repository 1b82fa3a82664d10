package api

import (
	"net/http"
	"strings"
)

// serveRoot answers outside of /v2.0/: the list of versions at the root, and
// nothing else. It needs no authentication.
func (a *API) serveRoot(w http.ResponseWriter, r *http.Request) int {
	if r.URL.Path != "/" && r.URL.Path != "" {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>\n"))
		return http.StatusNotFound
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions: // load balancers ask so whether a server lives
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
	default:
		return a.refuse(w, r, errMethod, a.config.Log)
	}
	a.write(w, r, response{status: http.StatusOK, body: appendObject(nil, object{{"versions", []object{{
		{"id", "v2.0"},
		{"status", "CURRENT"},
		{"links", []object{{{"rel", "self"}, {"href", baseURL(r) + "/v2.0/"}}}},
	}}}})})
	return http.StatusOK
}

// baseURL is the address of the API as the client knows it.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if p := r.Header.Get("X-Forwarded-Proto"); p == "http" || p == "https" {
		scheme = p
	}
	host := r.Host
	if h := r.Header.Get("X-Forwarded-Host"); h != "" && !strings.ContainsAny(h, "/\\ \"<>") {
		host = h
	}
	return scheme + "://" + host
}

// versionResources answers /v2.0/ itself.
func versionResources(rq *request) (response, error) {
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	var resources []object
	for _, r := range []struct{ name, collection string }{
		{"network", "networks"}, {"subnet", "subnets"}, {"subnetpool", "subnetpools"}, {"port", "ports"},
	} {
		resources = append(resources, object{
			{"name", r.name},
			{"collection", r.collection},
			{"links", []object{{{"rel", "self"}, {"href", baseURL(rq.http) + "/v2.0/" + r.collection}}}},
		})
	}
	return response{status: http.StatusOK, body: appendObject(nil, object{{"resources", resources}})}, nil
}
