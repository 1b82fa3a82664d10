package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lepton-sdn/lepton/lab"
)

// silence is how long nothing is said of an answer that has not come.
const silence = 3 * time.Second

// patience says that an answer is waited for, once that takes long.
type patience struct {
	http.RoundTripper
	after time.Duration
	tell  io.Writer
}

func (p patience) RoundTrip(r *http.Request) (*http.Response, error) {
	told := make(chan struct{})
	tell := time.AfterFunc(p.after, func() {
		defer close(told)
		fmt.Fprintf(p.tell, "leptonctl: waiting for %s://%s, for up to %s\n", r.URL.Scheme, r.URL.Host, answerTime)
	})
	defer func() {
		if !tell.Stop() {
			<-told // so that nothing is said of an answer that is there
		}
	}()
	return p.RoundTripper.RoundTrip(r)
}

// patient is the API with patience.
func patient(a *lab.API, tell io.Writer) *lab.API {
	b := *a
	next := a.HTTP.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	b.HTTP = &http.Client{Timeout: answerTime, Transport: patience{next, silence, tell}}
	return &b
}
