package proxy

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// nova is Nova's metadata API behind service_metadata_proxy.
type nova struct {
	url, secret string
	client      *http.Client
}

func newNova(url, secret string) *nova {
	return &nova{url: strings.TrimSuffix(url, "/"), secret: secret, client: &http.Client{
		Transport: &http.Transport{
			MaxConnsPerHost: 64, MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 5 * time.Second, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Sign is the value of X-Instance-ID-Signature: the instance id's HMAC-SHA256
// with the secret, in hexadecimal digits.
func Sign(secret, instance string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, instance) // a hash takes everything
	return hex.EncodeToString(mac.Sum(nil))
}

// ask passes a question on. Every header is made here.
func (n *nova) ask(ctx context.Context, q *question) (*answer, error) {
	if q.port.Instance == "" { // no server of Nova's
		return &answer{status: http.StatusNotFound}, nil
	}
	rq, err := http.NewRequestWithContext(ctx, q.method, n.url+q.target, bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	rq.Header = http.Header{
		"X-Forwarded-For":         {q.source.String()},
		"X-Instance-Id":           {q.port.Instance},
		"X-Tenant-Id":             {q.port.Project},
		"X-Instance-Id-Signature": {Sign(n.secret, q.port.Instance)},
		"User-Agent":              {"lepton"},
	}
	res, err := n.client.Do(rq)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read Nova's answer: %w", err)
	case len(body) > maxAnswer:
		return nil, errors.New("read the answer of Nova's metadata API: it is longer than 4 MiB")
	}
	a := &answer{status: res.StatusCode, contentType: res.Header.Get("Content-Type"), body: body}
	if a.status == http.StatusForbidden || a.status == http.StatusUnauthorized {
		a.warning = fmt.Errorf("refused by Nova's metadata API (%s): metadata.shared_secret may differ from its metadata_proxy_shared_secret", res.Status)
	}
	return a, nil
}

func (n *nova) close() { n.client.CloseIdleConnections() }
