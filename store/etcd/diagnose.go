package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/lepton-sdn/lepton/pki"
)

// diagnoseTimeout bounds one try to connect.
const diagnoseTimeout = time.Second

// diagnose finds why no endpoint answers: etcd's client only says that its time
// was up. It returns nil when it can connect to all of them.
func diagnose(endpoints []string, keys *pki.Keys) error {
	for _, endpoint := range endpoints {
		if err := dial(endpoint, keys); err != nil {
			return fmt.Errorf("%s: %w", endpoint, err)
		}
	}
	return nil
}

func dial(endpoint string, keys *pki.Keys) error {
	network, address := "tcp", endpoint
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		address = u.Host
	} else if err == nil && u.Scheme == "unix" {
		network, address = "unix", u.Path+u.Opaque
	}
	conn, err := net.DialTimeout(network, address, diagnoseTimeout)
	if err != nil || keys == nil {
		if err == nil {
			conn.Close()
		}
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(diagnoseTimeout)); err != nil {
		return err
	}
	config := keys.Client()
	config.ServerName, _, _ = net.SplitHostPort(address)
	client := tls.Client(conn, config)
	if err := client.Handshake(); err != nil {
		return err
	}
	// With TLS 1.3 a refused client certificate shows at the first read.
	_, err = client.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}
