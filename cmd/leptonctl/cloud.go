package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

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
		return l.API(), nil
	}
	u, err := url.Parse(s.api)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usage(fmt.Errorf("--api %q is not a URL such as http://127.0.0.1:9696", s.api))
	}
	token := os.Getenv("OS_TOKEN")
	if s.token != "" {
		b, err := os.ReadFile(s.token)
		if err != nil {
			return nil, usage(fmt.Errorf("--token-file: %w", err))
		}
		token = strings.TrimSpace(string(b))
	}
	return &lab.API{URL: strings.TrimSuffix(s.api, "/"), HTTP: &http.Client{Timeout: answerTime}, Token: token}, nil
}

// failed adds to an error of the API what can be done about it, and the kind
// that chooses the exit code. doing says what was attempted: "list ports".
func (s *settings) failed(doing string, err error) error {
	if err == nil {
		return nil
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
	err = fmt.Errorf("%s: %s", doing, strings.TrimSuffix(refusal.Message(), "."))
	switch refusal.Status {
	case http.StatusUnauthorized:
		return advise(errDenied, err, "give a token: --token-file FILE, or OS_TOKEN in the environment")
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
