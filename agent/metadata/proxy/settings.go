package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/lepton-sdn/lepton/pki"
)

// Settings are what the proxy works with: the content of settings.json. They
// hold a secret, so nobody else may read the file.
type Settings struct {
	Host string `json:"host"`
	// Controllers are addresses of controllers, "host:port"; CertFile, KeyFile
	// and CAFile are the agent's for mutual TLS, "" without.
	Controllers []string `json:"controllers,omitempty"`
	CertFile    string   `json:"cert_file,omitempty"`
	KeyFile     string   `json:"key_file,omitempty"`
	CAFile      string   `json:"ca_file,omitempty"`
	CRLFile     string   `json:"crl_file,omitempty"`
	// NovaURL is that of Nova's metadata API; "": the controllers answer.
	NovaURL string `json:"nova_url,omitempty"`
	// Secret signs requests to Nova (metadata_proxy_shared_secret).
	Secret string `json:"secret,omitempty"`
	// RateLimit is how many requests a second a port may send, BurstLimit how
	// many at once.
	RateLimit  float64 `json:"rate_limit"`
	BurstLimit int     `json:"burst_limit"`
	LogLevel   string  `json:"log_level,omitempty"`
}

// SettingsFile is the file of the settings.
func SettingsFile(dir string) string { return filepath.Join(dir, "settings.json") }

func (s *Settings) files() pki.Files {
	return pki.Files{Cert: s.CertFile, Key: s.KeyFile, CA: s.CAFile, CRL: s.CRLFile}
}

func (s *Settings) check() error {
	if s.RateLimit <= 0 || s.BurstLimit <= 0 {
		return fmt.Errorf("rate_limit %g and burst_limit %d are not above 0", s.RateLimit, s.BurstLimit)
	}
	if s.NovaURL == "" {
		if len(s.Controllers) == 0 {
			return errors.New("it names neither controllers nor Nova's metadata API")
		}
		return nil
	}
	if u, err := url.Parse(s.NovaURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("nova_url: %q is not an http or https URL", s.NovaURL)
	}
	return nil
}

// Load reads and checks a settings file, and gives what New needs.
func Load(path string) (*Files, error) {
	dir := filepath.Dir(path)
	if path != SettingsFile(dir) {
		return nil, fmt.Errorf("--config: %q is not the settings.json of a metadata proxy", path)
	}
	s, err := readSettings(dir)
	if err != nil {
		return nil, err
	}
	return &Files{dir, s}, nil
}

// Files are the directory of a proxy's files and what its settings were when it
// was started.
type Files struct {
	Dir      string
	Settings *Settings
}

// readSettings reads and checks the file.
func readSettings(dir string) (*Settings, error) {
	s := &Settings{}
	if err := readJSON(SettingsFile(dir), s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", SettingsFile(dir), err)
	}
	return s, nil
}
