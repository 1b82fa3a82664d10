package pki

import (
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// The files of a Directory and of each of its holders.
const (
	authorityFile    = "ca.pem"
	authorityKeyFile = "ca-key.pem"
	holderFile       = "cert.pem"
	holderKeyFile    = "key.pem"
	crlFile          = "crl.pem"
	issuedFile       = "issued"
)

// Errors that callers tell apart.
var (
	// ErrNoAuthority: the directory has no authority yet.
	ErrNoAuthority = errors.New("no certificate authority there")
	// ErrNoHolder: nothing was issued under this name.
	ErrNoHolder = errors.New("no certificate of that name")
	// ErrHolderExists: a certificate was issued under this name already.
	ErrHolderExists = errors.New("has a certificate already")
	// ErrName: a name cannot be used in a certificate.
	ErrName = errors.New("not a host name")
)

// hostName is what RFC 1123 2.1 allows, with the wildcard and the underscore
// left out.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

// Directory is where the operator of a cloud keeps its authority and what it
// issued:
//
//	ca.pem, ca-key.pem      the authority
//	crl.pem                 its list of revoked certificates
//	issued                  serial number, host and end of all that it issued
//	HOST/cert.pem, key.pem  the certificate and key of a host
//	HOST/ca.pem, crl.pem    copies, so that HOST/ is all that the host needs
type Directory struct {
	path string
	ca   *CA
}

// Create makes the directory, if it is not there, and a new authority in it.
// An authority that is there already is left alone and is fs.ErrExist.
func Create(path, name string) (*Directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	d := &Directory{path: path}
	for _, f := range []string{authorityKeyFile, authorityFile} {
		if _, err := os.Lstat(d.file(f)); err == nil {
			return nil, fmt.Errorf("make certificate authority: %s: %w", d.file(f), fs.ErrExist)
		}
	}
	ca, err := NewCA(name)
	if err != nil {
		return nil, err
	}
	if err := ca.Save(d.file(authorityFile), d.file(authorityKeyFile)); err != nil {
		return nil, err
	}
	d.ca = ca
	_, err = d.listPEM()
	return d, err
}

// OpenDirectory reads the authority of a directory.
func OpenDirectory(path string) (*Directory, error) {
	d := &Directory{path: path}
	ca, err := LoadCA(d.file(authorityFile), d.file(authorityKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open %s: %w", path, ErrNoAuthority)
	}
	if err != nil {
		return nil, err
	}
	d.ca = ca
	return d, nil
}

func (d *Directory) file(parts ...string) string {
	return filepath.Join(append([]string{d.path}, parts...)...)
}

// Issue makes the certificate of a host that has none. The first name is the
// host's and that of its directory, which Issue gives.
func (d *Directory) Issue(r Request) (string, error) {
	for _, name := range r.Names {
		if len(name) > 253 || !hostName.MatchString(name) {
			return "", fmt.Errorf("issue certificate for %q: %w", name, ErrName)
		}
	}
	if len(r.Names) == 0 {
		return "", fmt.Errorf("issue certificate: %w", ErrName)
	}
	dir := d.file(r.Names[0])
	if _, err := os.Lstat(filepath.Join(dir, holderFile)); err == nil {
		return "", fmt.Errorf("issue certificate: %s %w", r.Names[0], ErrHolderExists)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("issue certificate for %s: %w", r.Names[0], err)
	}
	return dir, d.write(dir, r)
}

// Renew makes a new certificate and key for a host, with the names, addresses
// and roles that its present one has, or with other roles if there are any.
func (d *Directory) Renew(host string, lifetime time.Duration, roles ...string) (string, error) {
	h, err := d.Holder(host)
	if err != nil {
		return "", err
	}
	if len(roles) == 0 {
		roles = h.Roles
	}
	dir := d.file(host)
	return dir, d.write(dir, Request{Names: h.Names, Addresses: h.Addresses, Roles: roles, Lifetime: lifetime})
}

func (d *Directory) write(dir string, r Request) error {
	pair, err := d.ca.Issue(r)
	if err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, authorityFile), d.ca.CertPEM(), 0o644); err != nil {
		return fmt.Errorf("save certificate of the authority: %w", err)
	}
	list, err := d.listPEM()
	if err == nil {
		err = replaceFile(filepath.Join(dir, crlFile), list, 0o644)
	}
	if err != nil {
		return fmt.Errorf("save list of revoked certificates: %w", err)
	}
	if err := d.note(pair, r.Names[0]); err != nil {
		return err
	}
	return pair.Save(filepath.Join(dir, holderFile), filepath.Join(dir, holderKeyFile))
}

// Holder is what a certificate says, and what is wrong with it.
type Holder struct {
	Host      string       `json:"host"` // empty for the authority
	Names     []string     `json:"names"`
	Addresses []netip.Addr `json:"addresses"`
	Roles     []string     `json:"roles"` // empty: not bound to any
	From      time.Time    `json:"from"`
	Until     time.Time    `json:"until"`
	// Problem is empty when the certificate can be used now.
	Problem string `json:"problem"`
}

// Authority tells of the authority's own certificate.
func (d *Directory) Authority() Holder {
	h := describe(d.ca.cert)
	h.Names = []string{d.ca.cert.Subject.CommonName}
	h.Problem = outdated(d.ca.cert)
	return h
}

// Holders tells of all certificates that were issued, by host.
func (d *Directory) Holders() ([]Holder, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	var out []Holder
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		h, err := d.Holder(e.Name())
		switch {
		case errors.Is(err, ErrNoHolder):
			continue
		case err != nil:
			h = Holder{Host: e.Name(), Names: []string{}, Addresses: []netip.Addr{}, Roles: []string{}, Problem: err.Error()}
		}
		out = append(out, h)
	}
	return out, nil
}

// Holder tells of one host's certificate.
func (d *Directory) Holder(host string) (Holder, error) {
	if !hostName.MatchString(host) {
		return Holder{}, fmt.Errorf("read certificate of %q: %w", host, ErrName)
	}
	cert, err := readCertificate(d.file(host, holderFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Holder{}, fmt.Errorf("read certificate of %s: %w", host, ErrNoHolder)
	}
	if err != nil {
		return Holder{}, err
	}
	h := describe(cert)
	h.Host = host
	h.Problem = d.problem(host, cert)
	return h, nil
}

// problem says why the host's certificate cannot be used.
func (d *Directory) problem(host string, cert *x509.Certificate) string {
	if err := cert.CheckSignatureFrom(d.ca.cert); err != nil {
		return "was not issued by this authority"
	}
	list, err := d.crl()
	if err != nil {
		return err.Error()
	}
	if list != nil {
		for _, e := range list.RevokedCertificateEntries {
			if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
				return "was revoked"
			}
		}
	}
	key, err := readKey(d.file(host, holderKeyFile))
	switch {
	case err != nil:
		return err.Error()
	case !sameKey(key, cert):
		return "its key belongs to another certificate"
	}
	return outdated(cert)
}

func sameKey(key *ecdsa.PrivateKey, cert *x509.Certificate) bool {
	return key.PublicKey.Equal(cert.PublicKey)
}

func outdated(cert *x509.Certificate) string {
	switch now := time.Now(); {
	case now.Before(cert.NotBefore):
		return "is not valid yet"
	case now.After(cert.NotAfter):
		return "has expired"
	}
	return ""
}

func describe(cert *x509.Certificate) Holder {
	h := Holder{Names: cert.DNSNames, Addresses: []netip.Addr{}, Roles: append([]string{}, RolesOf(cert)...), From: cert.NotBefore.UTC(), Until: cert.NotAfter.UTC()}
	for _, ip := range cert.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			h.Addresses = append(h.Addresses, a.Unmap())
		}
	}
	return h
}
