package localdhcp

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/wire"
	"github.com/lepton-sdn/lepton/flows"
	"github.com/lepton-sdn/lepton/flows/ofp"
)

// This file: advertisements that nobody asked for (RFC 4861 section 6.2.4). They
// tell guests what has changed, and keep what they know from ending.

const (
	// announceMin and announceMax are between two of a port, firstAnnounce up to
	// when a port's first comes after it was plugged or the agent started.
	announceMin, announceMax = 200 * time.Second, 600 * time.Second
	firstAnnounce            = 16 * time.Second
	// changeAnnounce is up to when a change is told.
	changeAnnounce = 3 * time.Second
	// announceTick is how often it is looked whose turn it is, perTick how many may
	// have theirs at once.
	announceTick = 500 * time.Millisecond
	perTick      = 32
)

// place is where a port is plugged, and when its guest is next told.
type place struct {
	ofport uint32
	due    time.Time
}

// Plugged tells that a port is at an OpenFlow port of the integration bridge, or
// with 0 that it is nowhere.
func (s *Server) Plugged(port string, ofport uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p := s.places[port]; {
	case ofport == 0:
		delete(s.places, port)
	case p == nil || p.ofport != ofport:
		s.places[port] = &place{ofport, s.within(firstAnnounce)}
	}
}

// Connected gives the way to the integration bridge; nil when there is none.
func (s *Server) Connected(send wire.SendPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send = send
}

// within is a time up to d from now.
func (s *Server) within(d time.Duration) time.Time { return s.cfg.Now().Add(rand.N(d)) }

// tellSoon has the guests of ports told of a change. The lock is held.
func (s *Server) tellSoon(ports []string, by time.Duration) {
	for _, id := range ports {
		if p := s.places[id]; p != nil {
			if due := s.within(by); due.Before(p.due) {
				p.due = due
			}
		}
	}
}

// announcement is an advertisement on its way to a port.
type announcement struct {
	port  string
	at    uint32
	frame []byte
}

// dueNow gives the advertisements whose time has come, and the way to send them.
func (s *Server) dueNow() (list []announcement, send wire.SendPacket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	if s.send == nil || !s.book.on {
		return nil, nil
	}
	for id, p := range s.places {
		if p.due.After(now) || len(list) == perTick {
			continue
		}
		p.due = now.Add(announceMin + rand.N(announceMax-announceMin))
		g, ok := s.book.guest(id)
		if !ok {
			continue
		}
		if out, ok := g.announcement(); ok {
			if frame, err := out.frame(); err == nil {
				list = append(list, announcement{id, p.ofport, frame})
			}
		}
	}
	return list, s.send
}

// announce sends what is due. A switch that takes nothing is not asked for each
// port: they have their turn later.
func (s *Server) announce(ctx context.Context) {
	list, send := s.dueNow()
	for _, a := range list {
		ctx, cancel := context.WithTimeout(ctx, sendTimeout)
		err := send(ctx, ofp.PacketOut{InPort: flows.PortController, Data: a.frame, Actions: []flows.Action{flows.Output{Port: a.at}}})
		cancel()
		if err != nil {
			s.cfg.Log.Warn("router advertisements are lost", zap.String("port", a.port), zap.Error(err))
			return
		}
	}
}
