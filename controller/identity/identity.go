package identity

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Identity is the sender of a request: user, project and roles, as Keystone
// would say them.
type Identity struct {
	UserID    string
	ProjectID string
	// UserName is what people call the user; empty where nobody says.
	UserName string
	Roles    []string
	// Admin is set when the identity has the role admin: it sees and may change
	// the objects of every project.
	Admin bool
	// Service is set for the role advsvc, which acts on ports across projects.
	Service bool
	// Reader is set when the identity may look but not change.
	Reader bool
	// Powerless is set when none of the roles means anything here: the
	// identity has no rights in its project, and sees what everybody sees.
	Powerless bool
}

// ErrUnauthorized is what an Authenticator returns for a request whose sender
// it cannot establish; the API answers 401.
var ErrUnauthorized = errors.New("not authenticated")

// ErrUnavailable is what an Authenticator returns when it cannot tell who the
// sender is, because it gets no answer itself; the API answers 503.
var ErrUnavailable = errors.New("the identity service does not answer")

// Authenticator establishes who sent a request.
type Authenticator interface {
	// Authenticate gives the sender of the request. The error wraps
	// ErrUnauthorized when there is none, and ErrUnavailable when the question
	// could not be answered.
	Authenticate(r *http.Request) (Identity, error)
	// Challenge is the value of the WWW-Authenticate header of a 401 answer;
	// empty for none.
	Challenge() string
}

// Recognizer is an Authenticator that may know a sender without asking anybody.
type Recognizer interface {
	// Recognize gives the sender of the request if that takes no time.
	Recognize(r *http.Request) (Identity, bool)
}

// DefaultProject owns what is made without authentication and without an
// X-Project-Id header. It is the project that a Neutron without authentication
// uses, so that scripts written against one find their objects.
const DefaultProject = "fake_project_id"

// None is the authenticator of auth.mode none: everybody is an administrator.
// The configuration allows it on a loopback address only.
type None struct {
	// Project is used for requests without a project header;
	// DefaultProject when empty.
	Project string
}

// maxProjectID is the longest project id that the API accepts anywhere.
const maxProjectID = 255

// Authenticate gives an administrator in the project that the request names
// with X-Project-Id (or the older X-Tenant-Id), or in the default project.
func (n None) Authenticate(r *http.Request) (Identity, error) {
	id := Identity{Admin: true, Roles: []string{"admin"}}
	for _, h := range []string{"X-Project-Id", "X-Tenant-Id"} {
		if v := strings.TrimSpace(r.Header.Get(h)); v != "" {
			if len(v) > maxProjectID {
				return Identity{}, fmt.Errorf("read header %s: longer than %d bytes: %w", h, maxProjectID, ErrUnauthorized)
			}
			id.ProjectID = v
			break
		}
	}
	if id.ProjectID == "" {
		id.ProjectID = n.Project
	}
	if id.ProjectID == "" {
		id.ProjectID = DefaultProject
	}
	id.UserID = r.Header.Get("X-User-Id")
	return id, nil
}

// Challenge is empty: nobody is refused.
func (None) Challenge() string { return "" }
