package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// CALifetime is how long a new certificate authority is valid.
	CALifetime = 10 * 365 * 24 * time.Hour
	// Lifetime is how long an issued certificate is valid unless told otherwise.
	Lifetime = 365 * 24 * time.Hour
	// clockSkew lets hosts whose clocks are behind accept a new certificate.
	clockSkew = time.Hour
)

// CA is a certificate authority: it vouches for the names of a cloud's hosts.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewCA makes a certificate authority with a new key. The name is what
// operators see in it, for example the cloud's.
func NewCA(name string) (*CA, error) {
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("make authority %q: %w", name, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(CALifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make authority %q: %w", name, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make authority %q: %w", name, err)
	}
	return &CA{cert: cert, key: key}, nil
}

// LoadCA reads an authority that Save has written.
func LoadCA(certFile, keyFile string) (*CA, error) {
	cert, err := readCertificate(certFile)
	if err != nil {
		return nil, err
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, err
	}
	if !cert.IsCA {
		return nil, fmt.Errorf("load authority %s: not the certificate of an authority", certFile)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("load authority %s: key %s belongs to another certificate", certFile, keyFile)
	}
	return &CA{cert: cert, key: key}, nil
}

// Save writes the authority as PEM, the key readable by its owner only. It
// never replaces existing files: a lost authority key cannot be made again.
func (ca *CA) Save(certFile, keyFile string) error {
	keyPEM, err := encodeKey(ca.key)
	if err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	if err := writeNew(keyFile, keyPEM, 0o600); err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	if err := writeNew(certFile, ca.CertPEM(), 0o644); err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	return nil
}

// CertPEM gives the authority's certificate, which every host needs.
func (ca *CA) CertPEM() []byte { return encodeCertificate(ca.cert.Raw) }

// Request says whom a certificate is for.
type Request struct {
	// Names are DNS names: of an agent its host name, exactly as its
	// configuration has it; of a controller the names it is reached by.
	Names []string
	// Addresses are those that a controller is reached by, if not by name.
	Addresses []netip.Addr
	// Roles bind an agent to what it may do (RolesOf); empty: whatever it says.
	Roles []string
	// Lifetime is Lifetime unless set. It never exceeds the authority's.
	Lifetime time.Duration
}

// Pair is a certificate and its private key, both as PEM.
type Pair struct {
	CertPEM, KeyPEM []byte
}

// Issue makes a new key and a certificate for it, good for both ends of a
// connection.
func (ca *CA) Issue(r Request) (*Pair, error) {
	if len(r.Names) == 0 {
		return nil, errors.New("issue certificate: no name given")
	}
	key, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", r.Names[0], err)
	}
	if r.Lifetime <= 0 {
		r.Lifetime = Lifetime
	}
	now := time.Now()
	end := now.Add(r.Lifetime)
	if end.After(ca.cert.NotAfter) {
		end = ca.cert.NotAfter
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", r.Names[0], err)
	}
	digest := sha256.Sum256(public)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: r.Names[0], OrganizationalUnit: unitsOf(r.Roles)},
		// A host may be called like its authority. Without both identifiers OpenSSL
		// takes its certificate for a self-signed one (RFC 5280, section 4.2.1).
		SubjectKeyId: digest[:20], AuthorityKeyId: ca.cert.SubjectKeyId,
		NotBefore: now.Add(-clockSkew), NotAfter: end,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    r.Names,
	}
	for _, a := range r.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", r.Names[0], err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", r.Names[0], err)
	}
	return &Pair{CertPEM: encodeCertificate(der), KeyPEM: keyPEM}, nil
}

// Save writes the pair, the key readable by its owner only. Existing files are
// replaced, which is how a certificate is renewed: a running program goes on
// with the old pair until both files fit together.
func (p *Pair) Save(certFile, keyFile string) error {
	if err := replaceFile(keyFile, p.KeyPEM, 0o600); err != nil {
		return fmt.Errorf("save certificate: %w", err)
	}
	if err := replaceFile(certFile, p.CertPEM, 0o644); err != nil {
		return fmt.Errorf("save certificate: %w", err)
	}
	return nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}
