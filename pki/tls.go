package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Files names what one end of a mutual TLS connection needs: its certificate,
// its key, and the certificates of the authorities that it trusts. All are PEM.
type Files struct {
	Cert, Key, CA string
}

// Server gives the configuration of a listener that serves only clients with a
// certificate from the authorities. The files are looked at with every
// handshake and read again when they have changed; what cannot be used is
// logged, and the last good state stays in use.
func (f Files) Server(log *zap.Logger) (*tls.Config, error) {
	w := &watched{files: f, log: log}
	if err := w.load(); err != nil {
		return nil, err
	}
	cfg := base()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := w.current()
		cfg := base()
		cfg.Certificates = []tls.Certificate{now.cert}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.ClientCAs = now.roots
		return cfg, nil
	}
	return cfg, nil
}

// Client gives the configuration of a client that presents its certificate and
// accepts only a server whose certificate is from the authorities and has the
// name or address that the client dialled. A renewed certificate is used from
// the next handshake on; other authorities need a new configuration.
func (f Files) Client(log *zap.Logger) (*tls.Config, error) {
	w := &watched{files: f, log: log}
	if err := w.load(); err != nil {
		return nil, err
	}
	cfg := base()
	cfg.RootCAs = w.current().roots
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert := w.current().cert
		return &cert, nil
	}
	return cfg, nil
}

// base is what both ends have in common. Sessions are not resumed, so that
// every connection checks the certificates anew; gRPC needs the protocol's name.
func base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, NextProtos: []string{"h2"},
	}
}

// watched holds what the files held when they were last good. It is safe for
// concurrent use.
type watched struct {
	files Files
	log   *zap.Logger

	mu    sync.Mutex
	good  loaded
	stamp [3]stamp // of the last attempt
}

type loaded struct {
	cert  tls.Certificate
	roots *x509.CertPool
}

type stamp struct {
	modified time.Time
	size     int64
}

// load reads the files; on an error what was good before stays.
func (w *watched) load() error {
	cert, err := tls.LoadX509KeyPair(w.files.Cert, w.files.Key)
	if err != nil {
		return fmt.Errorf("load certificate %s with key %s: %w", w.files.Cert, w.files.Key, err)
	}
	pem, err := os.ReadFile(w.files.CA)
	if err != nil {
		return fmt.Errorf("load authorities: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("load authorities: no certificate in %s", w.files.CA)
	}
	w.good = loaded{cert: cert, roots: roots}
	return nil
}

func (w *watched) current() loaded {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.look(); now != w.stamp {
		w.stamp = now
		if err := w.load(); err != nil {
			w.log.Error("changed certificate files cannot be used, going on with the old ones", zap.Error(err))
		}
	}
	return w.good
}

func (w *watched) look() [3]stamp {
	var s [3]stamp
	for i, name := range []string{w.files.Cert, w.files.Key, w.files.CA} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}
