package pki

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Python's clients, curl and Open vSwitch verify with OpenSSL.
func TestOpenSSLBelievesAHostThatIsCalledLikeItsAuthority(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pki")
	d, err := Create(path, "cloud")
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"cloud", "hv1"} {
		dir, err := d.Issue(Request{Names: []string{host}})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "openssl", "verify", "-purpose", "sslserver", "-verify_hostname", host,
			"-CAfile", filepath.Join(path, "ca.pem"), filepath.Join(dir, "cert.pem")).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", host, err, out)
		}
	}
}
