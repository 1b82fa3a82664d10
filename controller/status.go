package controller

import (
	"cmp"
	"context"
	"errors"
	"os"

	"github.com/lepton-sdn/lepton/controller/api"
	"github.com/lepton-sdn/lepton/controller/config"
	"github.com/lepton-sdn/lepton/controller/presence"
	"github.com/lepton-sdn/lepton/store"
)

// nameOf is what this controller is called.
func nameOf(cfg *config.Config) string {
	host, _ := os.Hostname() // a machine without a name has one called so
	return cmp.Or(cfg.Name, host, "controller")
}

// cloudStatus tells the API of controllers and store.
type cloudStatus struct {
	presence *presence.Presence
	store    store.Store
	embedded bool
	name     string // of this controller
}

func (c cloudStatus) Embedded() bool { return c.embedded }

func (c cloudStatus) Controllers() []api.ControllerState {
	var out []api.ControllerState
	for _, s := range c.presence.States() {
		out = append(out, api.ControllerState{Controller: s.Controller, Alive: s.Alive, Silent: s.Silent, Self: s.Name == c.name})
	}
	return out
}

func (c cloudStatus) Members(ctx context.Context) ([]store.Member, error) {
	m, ok := c.store.(interface {
		Members(context.Context) ([]store.Member, error)
	})
	if !ok {
		return nil, errors.New("the store cannot be asked")
	}
	return m.Members(ctx)
}
