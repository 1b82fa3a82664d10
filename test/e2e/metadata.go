package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/lepton-sdn/lepton/linux/netns"
)

// Addresses of the metadata service, as guests write them in URLs.
const (
	metadata4 = "http://169.254.169.254"
	metadata6 = "http://[fe80::a9fe:a9fe%25eth0]"
)

// Instance makes an instance record of the ports and gives its id.
func (c *Cloud) Instance(attrs Attributes, guests ...Guest) string {
	c.Helper()
	var ids []string
	for _, g := range guests {
		ids = append(ids, g.Port.ID)
	}
	attrs["port_ids"] = ids
	var made struct {
		Instance struct {
			ID string `json:"id"`
		} `json:"lepton_instance"`
	}
	c.Must(c.Lab.API().Call(c.Context(), "POST", "/v2.0/lepton-instances", map[string]any{"lepton_instance": attrs}, &made))
	return made.Instance.ID
}

// HTTP is a client in the guest.
func (c *Cloud) HTTP(g Guest) *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
			if address, err = numbered(g.Guest.Namespace, address); err != nil {
				return nil, err
			}
			err = netns.Do(g.Guest.Namespace, func() error {
				conn, err = (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, address)
				return err
			})
			return conn, err
		},
	}}
}

// Get is what the guest reads at a URL.
func (c *Cloud) Get(g Guest, url string) (string, error) {
	res, err := c.HTTP(g).Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, b)
	}
	return string(b), err
}

// Told waits until the guest reads a text at a URL.
func (c *Cloud) Told(g Guest, url, want string) {
	c.Helper()
	c.Eventually(fmt.Sprintf("%s at %s", g.Guest.Name, url), func() error {
		got, err := c.Get(g, url)
		if err == nil && got != want {
			err = fmt.Errorf("it is %q, want %q", got, want)
		}
		return err
	})
}

// numbered puts the number of a link in the place of its name in an address:
// package net remembers names without their namespace.
func numbered(ns, address string) (string, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().Zone() == "" {
		return address, err
	}
	err = netns.WithHandle(ns, func(h *netlink.Handle) error {
		l, err := h.LinkByName(at.Addr().Zone())
		if err == nil {
			at = netip.AddrPortFrom(at.Addr().WithZone(fmt.Sprint(l.Attrs().Index)), at.Port())
		}
		return err
	})
	return at.String(), err
}
