package metadata

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lepton-sdn/lepton/controller/plugin"
)

// Request is a guest's request, as far as answers depend on it.
type Request struct {
	Method string
	// Path is the URL's path, escaped as it came.
	Path string
	Body []byte
}

// Reply is the answer.
type Reply struct {
	Status      int // HTTP
	ContentType string
	Body        []byte
	// Password, unless empty, is to be kept as the instance's if it has none;
	// the answer is given when that is done.
	Password string
}

// Types of contents.
const (
	plainText = "text/plain; charset=utf-8"
	jsonText  = "application/json"
	anyBytes  = "application/octet-stream"
)

// maxPath bounds what is looked at, in bytes.
const maxPath = 1024

// Answer gives the answer to a guest's request.
func Answer(g *Guest, rq Request) Reply {
	parts, ok := split(rq.Path)
	if !ok {
		return refusal(http.StatusNotFound)
	}
	if len(parts) > 0 && parts[0] == "openstack" {
		return openstack(g, rq, parts[1:])
	}
	if !reads(rq.Method) {
		return refusal(http.StatusMethodNotAllowed)
	}
	return ec2(g, parts)
}

func reads(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// split takes a path apart; empty parts do not count.
func split(path string) (parts []string, ok bool) {
	if len(path) > maxPath {
		return nil, false
	}
	for part := range strings.SplitSeq(path, "/") {
		name, err := url.PathUnescape(part)
		if err != nil {
			return nil, false
		}
		if name != "" {
			parts = append(parts, name)
		}
	}
	return parts, true
}

// refusal is an answer without a document, as a page that a person can read.
func refusal(status int) Reply {
	return Reply{Status: status, ContentType: plainText, Body: []byte(http.StatusText(status) + "\n")}
}

func text(body string) Reply {
	return Reply{Status: http.StatusOK, ContentType: plainText, Body: []byte(body)}
}

func lines(list []string) Reply { return text(strings.Join(list, "\n")) }

// password answers requests to the instance's password: it is set once.
func password(g *Guest, rq Request) Reply {
	switch {
	case reads(rq.Method):
		return text(g.Password)
	case rq.Method != http.MethodPost:
		return refusal(http.StatusBadRequest)
	case !g.Recorded:
		return refusal(http.StatusNotFound)
	case len(rq.Body) > plugin.MaxPassword:
		return Reply{Status: http.StatusBadRequest, ContentType: plainText, Body: []byte("Request is too large.\n")}
	case g.Password != "":
		return refusal(http.StatusConflict)
	}
	for _, c := range rq.Body {
		if (c < ' ' || c > '~') && c != '\n' && c != '\r' {
			return Reply{Status: http.StatusBadRequest, ContentType: plainText, Body: []byte("A password is encrypted and written in ASCII.\n")}
		}
	}
	return Reply{Status: http.StatusOK, ContentType: plainText, Password: string(rq.Body)}
}
