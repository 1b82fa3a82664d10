package pki

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strings"
	"time"
)

const crlBlock = "X509 CRL"

// RevokedError says that a certificate is believed no more.
type RevokedError struct {
	Certificate *x509.Certificate
	At          time.Time
}

func (e *RevokedError) Error() string {
	return fmt.Sprintf("certificate of %s (serial %s) was revoked at %s",
		strings.Join(e.Certificate.DNSNames, ", "), e.Certificate.SerialNumber.Text(16), e.At.UTC().Format(time.RFC3339))
}

// revocations says when certificates were revoked, by issuer and serial number.
type revocations map[string]time.Time

func serialOf(issuer []byte, serial *big.Int) string {
	return string(issuer) + "\x00" + serial.Text(16)
}

func (r revocations) check(chain []*x509.Certificate) error {
	for _, c := range chain {
		if at, ok := r[serialOf(c.RawIssuer, c.SerialNumber)]; ok {
			return &RevokedError{c, at}
		}
	}
	return nil
}

// loadRevocations reads the lists in a file. Each has to be signed by one of the
// authorities. One that is past its next update counts as it is: a list that was
// not renewed is no reason to believe what it names, nor to stop a cloud.
func loadRevocations(file string, authorities []*x509.Certificate) (revocations, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := revocations{}
	lists := 0
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != crlBlock {
			continue
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if !signedByOne(list, authorities) {
			return nil, fmt.Errorf("read %s: the list of %q is signed by none of the authorities", file, list.Issuer.CommonName)
		}
		lists++
		for _, e := range list.RevokedCertificateEntries {
			out[serialOf(list.RawIssuer, e.SerialNumber)] = e.RevocationTime
		}
	}
	if lists == 0 {
		return nil, fmt.Errorf("read %s: no %s in it", file, crlBlock)
	}
	return out, nil
}

func signedByOne(list *x509.RevocationList, authorities []*x509.Certificate) bool {
	for _, ca := range authorities {
		if list.CheckSignatureFrom(ca) == nil {
			return true
		}
	}
	return false
}

// revocationList makes the list after the present one, nil for the first, with
// the entries.
func (ca *CA) revocationList(before *x509.RevocationList, entries []x509.RevocationListEntry) ([]byte, error) {
	number := big.NewInt(1)
	if before != nil && before.Number != nil {
		number.Add(before.Number, number)
	}
	now := time.Now()
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: number, ThisUpdate: now.Add(-clockSkew), NextUpdate: ca.cert.NotAfter, RevokedCertificateEntries: entries,
	}, ca.cert, ca.key)
	if err != nil {
		return nil, fmt.Errorf("make list of revoked certificates: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: crlBlock, Bytes: der}), nil
}

// crl reads the directory's list; nil when there is none yet.
func (d *Directory) crl() (*x509.RevocationList, error) {
	der, err := readBlock(d.file(crlFile), crlBlock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := x509.ParseRevocationList(der)
	if err == nil {
		err = list.CheckSignatureFrom(d.ca.cert)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", d.file(crlFile), err)
	}
	return list, nil
}

// Revoke puts every certificate that was issued for the host on the authority's
// list, and gives how many are new on it. The list lies in the directory and, as
// a copy, in that of each host. The host needs a new certificate (Renew).
func (d *Directory) Revoke(host string) (int, error) {
	serials, err := d.serials(host)
	if err != nil {
		return 0, err
	}
	list, err := d.crl()
	if err != nil {
		return 0, err
	}
	var entries []x509.RevocationListEntry
	known := map[string]bool{}
	if list != nil {
		entries = list.RevokedCertificateEntries
		for _, e := range entries {
			known[e.SerialNumber.String()] = true
		}
	}
	added := 0
	for _, s := range serials {
		if known[s.String()] {
			continue
		}
		known[s.String()] = true
		entries = append(entries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now().UTC()})
		added++
	}
	if added == 0 && list != nil {
		return 0, nil
	}
	b, err := d.ca.revocationList(list, entries)
	if err != nil {
		return 0, err
	}
	return added, d.spreadList(b)
}

// spreadList puts the list in place, and its copies.
func (d *Directory) spreadList(b []byte) error {
	errs := []error{replaceFile(d.file(crlFile), b, 0o644)}
	entries, err := os.ReadDir(d.path)
	errs = append(errs, err)
	for _, e := range entries {
		if _, err := os.Lstat(d.file(e.Name(), holderFile)); e.IsDir() && err == nil {
			errs = append(errs, replaceFile(d.file(e.Name(), crlFile), b, 0o644))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("save list of revoked certificates: %w", err)
	}
	return nil
}

// listPEM gives the directory's list as PEM, an empty one if there was none.
func (d *Directory) listPEM() ([]byte, error) {
	b, err := os.ReadFile(d.file(crlFile))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if b, err = d.ca.revocationList(nil, nil); err != nil {
		return nil, err
	}
	return b, replaceFile(d.file(crlFile), b, 0o644)
}

// serials gives the numbers of all certificates of a host: of those that were
// noted when they were issued, and of the present one.
func (d *Directory) serials(host string) ([]*big.Int, error) {
	if !hostName.MatchString(host) {
		return nil, fmt.Errorf("revoke certificates of %q: %w", host, ErrName)
	}
	var out []*big.Int
	b, err := os.ReadFile(d.file(issuedFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("revoke certificates of %s: %w", host, err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 && f[1] == host {
			if n, ok := new(big.Int).SetString(f[0], 16); ok {
				out = append(out, n)
			}
		}
	}
	cert, err := readCertificate(d.file(host, holderFile))
	switch {
	case err == nil:
		out = append(out, cert.SerialNumber)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("revoke certificates of %s: %w", host, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("revoke certificates of %s: %w", host, ErrNoHolder)
	}
	return out, nil
}

// note writes down that a certificate is issued, before it is.
func (d *Directory) note(pair *Pair, host string) error {
	block, _ := pem.Decode(pair.CertPEM)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.file(issuedFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("note certificate: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s %s %s\n", cert.SerialNumber.Text(16), host, cert.NotAfter.UTC().Format(time.RFC3339))
	return errors.Join(err, f.Sync(), f.Close())
}
