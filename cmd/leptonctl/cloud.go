package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/lepton-sdn/lepton/inspect"
	"github.com/lepton-sdn/lepton/lab"
)

// This file: how commands reach the Networking API, and what they say when it
// refuses or does not answer.

// The kinds of failure that the API adds, for exit codes.
var (
	errDenied      = errors.New("not allowed")
	errUnreachable = errors.New("no answer")
)

// answerTime bounds how long the API may take.
const answerTime = time.Minute

// client gives the API that the flags choose.
func (s *settings) client() (*lab.API, error) {
	if s.lab != "" {
		l, err := lab.Open(s.lab, s.dir)
		if err != nil {
			return nil, err
		}
		return patient(l.API(), os.Stderr), nil
	}
	if !isURL(s.api) {
		return nil, usage(fmt.Errorf("--api %q is not a URL such as http://127.0.0.1:9696", s.api))
	}
	config, err := environmentTLS()
	if err != nil {
		return nil, err
	}
	token, err := s.credential()
	if err != nil {
		return nil, err
	}
	return patient(&lab.API{
		URL: strings.TrimSuffix(strings.TrimSuffix(s.api, "/"), "/v2.0"), Token: token,
		HTTP: &http.Client{Transport: client(config).Transport},
	}, os.Stderr), nil
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// credential is the token that the API is shown: of the file that is named, of
// the environment, or of Keystone's where the environment says how to log in.
func (s *settings) credential() (string, error) {
	switch {
	case s.token != "":
		b, err := os.ReadFile(s.token)
		if err != nil {
			err = fmt.Errorf("--token-file: %w", err)
			if errors.Is(err, fs.ErrPermission) {
				return "", err
			}
			return "", usage(err)
		}
		return strings.TrimSpace(string(b)), nil
	case os.Getenv("OS_TOKEN") != "":
		return os.Getenv("OS_TOKEN"), nil
	case os.Getenv("OS_CLOUD") == "" && os.Getenv("OS_AUTH_URL") == "":
		return "", nil
	}
	auth, _, config, err := endpoint{}.credentials()
	if err != nil {
		return "", err
	}
	provider, err := openstack.NewClient(auth.IdentityEndpoint)
	if err != nil {
		return "", fmt.Errorf("reach the identity service: %w", err)
	}
	provider.HTTPClient = client(config)
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	if err := openstack.Authenticate(ctx, provider, auth); err != nil {
		return "", advise(errDenied, fmt.Errorf("log in at %s: %w", auth.IdentityEndpoint, err), "OS_CLOUD, or OS_AUTH_URL and the other OS_ variables, say how; without them nobody logs in")
	}
	return provider.Token(), nil
}

// failed adds to an error of the API what can be done about it, and the kind
// that chooses the exit code. doing says what was attempted: "list ports".
func (s *settings) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.As(err, new(advised)) {
		return err
	}
	var refusal *lab.StatusError
	if !errors.As(err, &refusal) {
		advice := "is lepton-controller running there? --api names another address"
		if s.lab != "" {
			advice = "see: leptonctl lab status --name " + s.lab
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u
		}
		return advise(errUnreachable, fmt.Errorf("%s: %w", doing, err), advice)
	}
	err = fmt.Errorf("%s: %s", doing, inspect.Plain(strings.TrimSuffix(refusal.Message(), ".")))
	switch refusal.Status {
	case http.StatusUnauthorized:
		return advise(errDenied, err, "log in by the OS_ environment, as the openstack client does, or give a token: --token-file FILE, or OS_TOKEN")
	case http.StatusForbidden:
		return advise(errDenied, err, "this needs an administrator's token")
	case http.StatusNotFound:
		return advise(lab.ErrNotFound, err, "what is there: leptonctl ports")
	case http.StatusBadRequest:
		return usage(err)
	case http.StatusServiceUnavailable:
		return advise(errUnreachable, err, "see the store and the controllers: leptonctl status")
	}
	return err
}
