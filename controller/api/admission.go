package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/lepton-sdn/lepton/controller/identity"
)

const (
	// smallBody is how many bytes of a body anybody may send at any time.
	// maxLarge requests at once have larger ones; others wait for maxLargeWait.
	// A decoded body takes some ten times its size.
	smallBody    = 64 << 10
	maxLarge     = 32
	maxLargeWait = 2 * time.Second
)

// admit finds out who asks and gives them one of the places of requests that
// are served. Those whom it takes time to know wait elsewhere, in a room of
// their own, so that a flood of strangers keeps nobody else out.
func (a *API) admit(r *http.Request) (who identity.Identity, leave func(), err error) {
	known := false
	if quick, ok := a.config.Auth.(identity.Recognizer); ok {
		who, known = quick.Recognize(r)
	}
	if !known {
		if err := a.limits.stranger(r); err != nil {
			return who, nil, err
		}
		if who, err = a.introduce(r); err != nil {
			return who, nil, err
		}
	}
	done, err := a.limits.enter(who)
	if err != nil {
		return who, nil, err
	}
	select {
	case a.slots <- struct{}{}:
		return who, func() { <-a.slots; done() }, nil
	default:
		done()
		return who, nil, errBusy
	}
}

// introduce asks the authenticator.
func (a *API) introduce(r *http.Request) (identity.Identity, error) {
	select {
	case a.door <- struct{}{}:
		defer func() { <-a.door }()
	default:
		return identity.Identity{}, errBusy
	}
	return a.config.Auth.Authenticate(r)
}

// meteredBody is a request's body that takes a place among the large ones when
// it turns out to be one.
type meteredBody struct {
	io.ReadCloser
	ctx   context.Context
	large chan struct{}
	read  int
	held  bool
}

func (b *meteredBody) Read(p []byte) (int, error) {
	if !b.held {
		if b.read >= smallBody {
			if err := b.take(); err != nil {
				return 0, err
			}
		} else if rest := smallBody - b.read; len(p) > rest {
			p = p[:rest]
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

func (b *meteredBody) take() error {
	wait := time.NewTimer(maxLargeWait)
	defer wait.Stop()
	select {
	case b.large <- struct{}{}:
		b.held = true
		return nil
	case <-b.ctx.Done():
		return b.ctx.Err()
	case <-wait.C:
		return errBusy
	}
}

// done gives the place back, when what was read is needed no more.
func (b *meteredBody) done() {
	if b.held {
		<-b.large
	}
}
