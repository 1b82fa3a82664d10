package config

import "github.com/lepton-sdn/lepton/config"

// Nova says where Nova is told what happens to the ports of its servers, and as
// whom.
type Nova struct {
	// URL is the compute service's with its version, such as
	// http://nova:8774/v2.1; empty: Nova is told nothing.
	URL string `yaml:"url"`
	// Token is shown as it is, for clouds without Keystone.
	Token string `yaml:"token"`
	// Keystone gives the tokens otherwise. Without a URL the account is that of
	// auth.keystone.
	Keystone Account `yaml:"keystone"`
}

// Account is a user of Keystone.
type Account struct {
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
}

func defaultNova() Nova {
	return Nova{Keystone: Account{Project: "service", Domain: "Default"}}
}

// account gives the account of auth.keystone.
func (k Keystone) account() Account {
	return Account{URL: k.URL, Username: k.Username, Password: k.Password, Project: k.Project, Domain: k.Domain}
}

// completeNova takes the account from auth.keystone if none is named.
func (c *Config) completeNova() {
	if n := &c.Nova; n.URL != "" && n.Token == "" && n.Keystone.URL == "" && c.Auth.Mode == AuthKeystone {
		n.Keystone = c.Auth.Keystone.account()
	}
}

func (n *Nova) check(e *config.Errors) {
	if n.URL == "" {
		if n.Token != "" || n.Keystone.URL != "" {
			e.Add("nova.url", "is missing")
		}
		return
	}
	checkURL(e, "nova.url", n.URL)
	switch {
	case n.Token != "" && n.Keystone.URL != "":
		e.Add("nova", "token and keystone exclude each other")
	case n.Token == "" && n.Keystone.URL == "":
		e.Add("nova", "token or keystone is needed: Nova takes events from administrators and services only")
	case n.Token == "":
		n.Keystone.check(e, "nova.keystone")
	}
}

func (a *Account) check(e *config.Errors, key string) {
	checkURL(e, key+".url", a.URL)
	for _, s := range []struct{ key, value string }{
		{"username", a.Username},
		{"password", a.Password},
		{"project", a.Project},
		{"domain", a.Domain},
	} {
		if s.value == "" {
			e.Add(key+"."+s.key, "is missing")
		}
	}
}
