package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// Bounds on what is remembered and on what waits.
const (
	// MaxCacheTime is the longest that an answer of Keystone's is used.
	MaxCacheTime = 5 * time.Minute
	// negativeTime is how long a token that Keystone does not know is refused
	// without asking.
	negativeTime = 5 * time.Second
	maxValid     = 10000 // tokens
	maxInvalid   = 1000
	// maxAsking validations are under way at once; more wait for a place for
	// as long as maxWaiting, so that a slow Keystone does not take the places
	// of requests whose tokens are known.
	maxAsking  = 64
	maxWaiting = 2 * time.Second
	// answerTimeout bounds a validation with a login before it.
	answerTimeout = 10 * time.Second
)

// KeystoneConfig is how tokens are validated.
type KeystoneConfig struct {
	Credentials
	// PublicURL is where clients get tokens, told to those that have none; URL
	// when empty.
	PublicURL string
	// CacheTime is how long an answer of Keystone's is used, at most
	// MaxCacheTime, and how long a revoked token may still work. 0 is none.
	CacheTime time.Duration
}

// Keystone is the authenticator of auth.mode keystone: it asks Keystone about
// tokens as its own middleware does. It is safe for concurrent use.
type Keystone struct {
	config  KeystoneConfig
	session *session
	now     func() time.Time
	valid   *cache[question, *answer]
	invalid *cache[question, struct{}]
	flights singleflight.Group
	places  chan struct{}
	// waiting and timeout are maxWaiting and answerTimeout but in tests.
	waiting, timeout time.Duration
}

// question is what Keystone is asked: about a token, and whether one that has
// expired will do.
type question struct {
	token        digest
	allowExpired bool
}

// answer is what a token says, and until when.
type answer struct {
	who     Identity
	expires time.Time
}

// NewKeystone makes the authenticator. Keystone is asked when the first request
// comes, so that it need not run before the controller.
func NewKeystone(c KeystoneConfig) *Keystone {
	c.CacheTime = min(c.CacheTime, MaxCacheTime)
	if c.PublicURL == "" {
		c.PublicURL = c.URL
	}
	return &Keystone{
		config: c, session: newSession(c.Credentials, time.Now), now: time.Now,
		valid: newCache[question, *answer](maxValid), invalid: newCache[question, struct{}](maxInvalid),
		places: make(chan struct{}, maxAsking), waiting: maxWaiting, timeout: answerTimeout,
	}
}

// Challenge says where tokens come from.
func (k *Keystone) Challenge() string {
	return fmt.Sprintf("Keystone uri=%q", strings.TrimRight(k.config.PublicURL, "/"))
}

// Authenticate gives the holder of the token in X-Auth-Token. A service that
// acts for a user sends its own token in X-Service-Token: the user's may then
// have expired meanwhile.
func (k *Keystone) Authenticate(r *http.Request) (Identity, error) {
	user, err := tokenOf(r, "X-Auth-Token")
	if err != nil {
		return Identity{}, err
	}
	byService := false
	if r.Header.Get("X-Service-Token") != "" {
		service, err := tokenOf(r, "X-Service-Token")
		if err != nil {
			return Identity{}, err
		}
		who, err := k.identify(r.Context(), service, false)
		if err != nil {
			return Identity{}, fmt.Errorf("service token: %w", err)
		}
		byService = who.HasRole(roleService)
	}
	return k.identify(r.Context(), user, byService)
}

// Recognize gives the holder of the token in X-Auth-Token when the tokens of the
// request are remembered.
func (k *Keystone) Recognize(r *http.Request) (Identity, bool) {
	byService := false
	if r.Header.Get("X-Service-Token") != "" {
		service, ok := k.remembered(r, "X-Service-Token", false)
		if !ok {
			return Identity{}, false
		}
		byService = service.HasRole(roleService)
	}
	return k.remembered(r, "X-Auth-Token", byService)
}

func (k *Keystone) remembered(r *http.Request, header string, allowExpired bool) (Identity, bool) {
	token, err := tokenOf(r, header)
	if err != nil {
		return Identity{}, false
	}
	a, ok := k.valid.get(question{digestOf(token), allowExpired}, k.now())
	if !ok {
		return Identity{}, false
	}
	return a.who, true
}

// identify gives the holder of a token, remembered or asked for.
func (k *Keystone) identify(ctx context.Context, subject string, allowExpired bool) (Identity, error) {
	q := question{digestOf(subject), allowExpired}
	if a, ok := k.valid.get(q, k.now()); ok {
		return a.who, nil
	}
	if _, ok := k.invalid.get(q, k.now()); ok {
		return Identity{}, fmt.Errorf("%w: %w", errNoToken, ErrUnauthorized)
	}
	// The question is asked once for all who wait for its answer, and goes on
	// when the first of them leaves.
	flight := k.flights.DoChan(fmt.Sprintf("%x/%t", q.token, q.allowExpired), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout)
		defer cancel()
		// An earlier question may have been answered since the look above.
		if a, ok := k.valid.get(q, k.now()); ok {
			return a, nil
		}
		return k.ask(ctx, q, subject)
	})
	select {
	case <-ctx.Done():
		return Identity{}, fmt.Errorf("%w: wait for Keystone: %w", ErrUnavailable, ctx.Err())
	case res := <-flight:
		if res.Err != nil {
			return Identity{}, res.Err
		}
		return res.Val.(*answer).who, nil
	}
}

// ask asks Keystone and remembers the answer.
func (k *Keystone) ask(ctx context.Context, q question, subject string) (*answer, error) {
	if err := k.takePlace(ctx); err != nil {
		return nil, err
	}
	defer func() { <-k.places }()
	asked := k.now()
	t, err := k.session.validate(ctx, subject, q.allowExpired)
	if errors.Is(err, errNoToken) {
		k.invalid.put(q, struct{}{}, asked.Add(negativeTime))
		return nil, fmt.Errorf("%w: %w", err, ErrUnauthorized)
	}
	if err != nil {
		return nil, err
	}
	// Whether a token has expired says Keystone, whose clock made it: where ours is
	// ahead it is asked every time.
	a := &answer{expires: t.expires}
	if a.who, err = t.identity(); err != nil {
		return nil, err
	}
	// The time counts from the question: Keystone may have answered before the
	// token was revoked.
	until := asked.Add(k.config.CacheTime)
	if t.expires.Before(until) {
		until = t.expires
	}
	if until.After(asked) {
		k.valid.put(q, a, until)
	}
	return a, nil
}

// takePlace waits for a place among those who ask.
func (k *Keystone) takePlace(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, k.waiting)
	defer cancel()
	select {
	case k.places <- struct{}{}:
		return nil
	case <-wait.Done():
		return fmt.Errorf("%w: %d tokens are being validated already", ErrUnavailable, cap(k.places))
	}
}

// identity makes an identity of what Keystone says. A token of a domain or of
// the system acts in no project; one without any scope gives no rights.
func (t *token) identity() (Identity, error) {
	roles := make([]string, 0, len(t.Roles))
	for _, r := range t.Roles {
		roles = append(roles, r.Name)
	}
	if t.Project != nil {
		if t.Project.ID == "" || len(t.Project.ID) > maxProjectID {
			return Identity{}, fmt.Errorf("%w: Keystone's answer has a project without an id", ErrUnavailable)
		}
		return t.named(WithRoles(t.User.ID, t.Project.ID, roles)), nil
	}
	if t.Domain == nil && t.System == nil {
		return Identity{}, fmt.Errorf("token has no scope: %w", ErrUnauthorized)
	}
	return t.named(WithRoles(t.User.ID, "", roles)), nil
}

func (t *token) named(id Identity) Identity {
	id.UserName = t.User.Name
	return id
}
