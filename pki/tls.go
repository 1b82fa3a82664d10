package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Files names what one end of a TLS connection needs. All are PEM.
type Files struct {
	// Cert and Key are its certificate and key; both empty: it shows none.
	Cert, Key string
	// CA holds the certificates of the authorities that it believes; empty: those
	// that the system believes.
	CA string
	// CRL holds these authorities' lists of certificates that are believed no more
	// (RFC 5280 section 5); empty: there are none.
	CRL string
}

// Open reads the files. From then on they are looked at with every handshake
// and read again when they have changed; what cannot be used is logged, and the
// last good state stays in use.
func (f Files) Open(log *zap.Logger) (*Keys, error) {
	k := &Keys{files: f, log: log}
	k.stamp = k.look()
	var err error
	if k.good, err = f.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// Keys are what files held when they were last good. They are safe for
// concurrent use.
type Keys struct {
	files Files
	log   *zap.Logger

	mu    sync.Mutex
	good  loaded
	stamp [4]stamp // of the last attempt
}

// Server gives the configuration of a listener that serves only clients with a
// certificate from the authorities, as of the files at each handshake.
func (k *Keys) Server() *tls.Config {
	cfg := base()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := k.current()
		cfg := base()
		cfg.Certificates = now.certs
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.ClientCAs = now.roots
		cfg.VerifyConnection = now.verify
		return cfg, nil
	}
	return cfg
}

// Public gives the configuration of a listener that serves everyone, over HTTP,
// with the certificate as it is at each handshake.
func (k *Keys) Public() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if now := k.current(); len(now.certs) > 0 {
				return &now.certs[0], nil
			}
			return nil, errors.New("no certificate")
		},
	}
}

// Client gives the configuration of one connection of a client that presents
// its certificate and accepts only a server whose certificate is from the
// authorities and has the name or address that the client dialled. It is as of
// the files now, so it is asked for before each connection.
func (k *Keys) Client() *tls.Config {
	now := k.current()
	cfg := base()
	// Shown also to a server that names other authorities, so that its log can say
	// whose it was.
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if len(now.certs) == 0 {
			return &tls.Certificate{}, nil
		}
		return &now.certs[0], nil
	}
	cfg.RootCAs = now.roots
	cfg.VerifyConnection = now.verify
	return cfg
}

// Check looks at a chain of certificates that was verified when the connection
// began, the holder's first: since then one may have been revoked.
func (k *Keys) Check(chain []*x509.Certificate) error {
	return k.current().revoked.check(chain)
}

// base is what both ends have in common. Sessions are not resumed, so that
// every connection checks the certificates anew; gRPC needs the protocol's name.
func base() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, NextProtos: []string{"h2"},
	}
}

type loaded struct {
	certs   []tls.Certificate // one, or none
	roots   *x509.CertPool    // nil: the system's
	revoked revocations
}

// verify is called when all else of the other end's certificate is good.
func (l loaded) verify(c tls.ConnectionState) error {
	var err error
	for _, chain := range c.VerifiedChains {
		if err = l.revoked.check(chain); err == nil {
			return nil
		}
	}
	return err
}

func (f Files) load() (loaded, error) {
	var l loaded
	if f.Cert != "" || f.Key != "" {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return l, fmt.Errorf("load certificate %s with key %s: %w", f.Cert, f.Key, err)
		}
		l.certs = []tls.Certificate{cert}
	}
	var authorities []*x509.Certificate
	if f.CA != "" {
		var err error
		if authorities, err = readCertificates(f.CA); err != nil {
			return l, fmt.Errorf("load authorities: %w", err)
		}
		l.roots = x509.NewCertPool()
		for _, ca := range authorities {
			l.roots.AddCert(ca)
		}
	}
	if f.CRL != "" {
		var err error
		if l.revoked, err = loadRevocations(f.CRL, authorities); err != nil {
			return l, fmt.Errorf("load revoked certificates: %w", err)
		}
	}
	return l, nil
}

func (k *Keys) current() loaded {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.look(); now != k.stamp {
		k.stamp = now
		good, err := k.files.load()
		if err != nil {
			k.log.Error("changed certificate files cannot be used, going on with the old ones", zap.Error(err))
			return k.good
		}
		k.good = good
		k.log.Info("certificate files read again", zap.String("cert", k.files.Cert), zap.String("ca", k.files.CA),
			zap.Int("revoked", len(good.revoked)))
	}
	return k.good
}

// stamp tells whether a file is still the one that was read.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

func (k *Keys) look() [4]stamp {
	var s [4]stamp
	for i, name := range []string{k.files.Cert, k.files.Key, k.files.CA, k.files.CRL} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.ModTime(), info.Size(), inode(info)}
		}
	}
	return s
}

func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
