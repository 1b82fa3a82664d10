package config

import (
	"net/url"
	"path/filepath"

	"github.com/lepton-sdn/lepton/config"
	"github.com/lepton-sdn/lepton/controller/identity"
)

// The modes of authentication.
const (
	AuthNone     = "none"
	AuthToken    = "token"
	AuthKeystone = "keystone"
)

// maxTokenCacheTime is the longest that Keystone's word is taken, in seconds.
const maxTokenCacheTime = 300

// Auth says who may use the API.
type Auth struct {
	// Mode is none, token or keystone.
	Mode     string   `yaml:"mode"`
	Token    Tokens   `yaml:"token"`
	Keystone Keystone `yaml:"keystone"`
}

// Tokens names the file of tokens of mode token.
type Tokens struct {
	// File is an absolute path; it is read again when it changes.
	File string `yaml:"file"`
}

// Keystone is where mode keystone validates tokens, and as whom.
type Keystone struct {
	// URL is Keystone's, with or without /v3.
	URL string `yaml:"url"`
	// Username is a user with the role admin or service.
	Username string `yaml:"username"`
	// Password is that user's.
	Password string `yaml:"password"`
	// Project is the name of the user's project.
	Project string `yaml:"project"`
	// Domain is the name of the domain of the user and of the project.
	Domain string `yaml:"domain"`
	// PublicURL is where clients get tokens; url when empty.
	PublicURL string `yaml:"public_url"`
	// TokenCacheTime is how long Keystone's answer about a token is used, in
	// seconds; a revoked token works for as long at most.
	TokenCacheTime int `yaml:"token_cache_time"`
}

func defaultAuth() Auth {
	return Auth{
		Mode:     AuthNone,
		Keystone: Keystone{Project: "service", Domain: "Default", TokenCacheTime: maxTokenCacheTime},
	}
}

func (a *Auth) check(e *config.Errors) {
	switch a.Mode {
	case AuthNone:
	case AuthToken:
		if !filepath.IsAbs(a.Token.File) {
			e.Add("auth.token.file", "%q is not an absolute path", a.Token.File)
		} else if err := identity.CheckTokens(a.Token.File); err != nil {
			e.Add("auth.token.file", "%v", err)
		}
	case AuthKeystone:
		a.Keystone.check(e)
	default:
		e.Add("auth.mode", "%q is none of none, token, keystone", a.Mode)
	}
}

func (k *Keystone) check(e *config.Errors) {
	account := k.account()
	account.check(e, "auth.keystone")
	if k.PublicURL != "" {
		checkURL(e, "auth.keystone.public_url", k.PublicURL)
	}
	if k.TokenCacheTime < 0 || k.TokenCacheTime > maxTokenCacheTime {
		e.Add("auth.keystone.token_cache_time", "%d is not between 0 and %d seconds", k.TokenCacheTime, maxTokenCacheTime)
	}
}

// checkURL wants an http or https URL that holds no password: URLs are logged.
func checkURL(e *config.Errors, key, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		e.Add(key, "is not a URL") // the value may hold a password
	case u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		e.Add(key, "%q is not an http or https URL", u.Redacted())
	case u.User != nil:
		e.Add(key, "must not hold a user or a password")
	case u.RawQuery != "" || u.Fragment != "":
		e.Add(key, "%q has more than a path", u.Redacted())
	}
}
