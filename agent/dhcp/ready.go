package dhcp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// serialDomain is the domain of a name that says which files a dnsmasq has read.
// Nobody else may have it (RFC 6761, section 6.4).
const serialDomain = "invalid"

// digest tells the files of a server apart from others.
func (s *Server) digest() string {
	h := sha256.New()
	for _, f := range []string{s.Hosts, s.Names, s.Options} {
		fmt.Fprintf(h, "%d\n%s", len(f), f)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// serial is the name that a dnsmasq knows once it has read the server's files.
func (s *Server) serial() string { return "serial-" + s.digest() + "." + serialDomain }

// serialLine is what is added to the names for that.
func (s *Server) serialLine() string { return "127.0.0.1\t" + s.serial() + "\n" }

// The waiting for dnsmasq.
const (
	readyWait = 8 * time.Second         // until it has read its files
	deadWait  = 1500 * time.Millisecond // for one that was killed to run again
	askEvery  = 20 * time.Millisecond   // how long one question waits
)

// awaitReady waits until the dnsmasq in the namespace has read the server's
// files: it reads all of them, and only then answers again. It does not wait for
// one that has been dead for a while.
func (s *Server) awaitReady(ctx context.Context, ns string, dead func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	var conn net.Conn
	err := netns.Do(ns, func() (err error) {
		conn, err = net.Dial("udp4", "127.0.0.1:53")
		return err
	})
	if err != nil {
		return fmt.Errorf("ask dnsmasq: %w", err)
	}
	defer conn.Close()
	alive := time.Now()
	for wait := askEvery; ; wait = min(2*wait, 500*time.Millisecond) {
		knows, err := ask(conn, s.serial(), wait)
		if knows {
			return nil
		}
		if !dead() {
			alive = time.Now()
		} else if time.Since(alive) > deadWait {
			return errDead
		}
		pause := 3 * time.Millisecond // it is about to start, or about to read
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			pause = 0
		}
		select {
		case <-ctx.Done():
			return errSilent
		case <-time.After(pause):
		}
	}
}

// Why a server does not answer.
var (
	errSilent = fmt.Errorf("dnsmasq has not read its files within %s", readyWait)
	errDead   = errors.New("dnsmasq does not run")
)

// ask asks whether the server knows the name.
func ask(conn net.Conn, name string, wait time.Duration) (bool, error) {
	q, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return false, err
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(time.Now().UnixNano() >> 10), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: q, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		return false, err
	}
	if err := conn.SetDeadline(time.Now().Add(wait)); err != nil {
		return false, err
	}
	if _, err := conn.Write(b); err != nil {
		return false, err
	}
	for buf := make([]byte, 1500); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return false, err
		}
		var r dnsmessage.Message
		if r.Unpack(buf[:n]) == nil && r.Response && r.ID == m.ID {
			return r.RCode == dnsmessage.RCodeSuccess && len(r.Answers) > 0, nil
		}
	}
}
