package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// HostPort splits HOST:PORT. The host may be empty, which means every address
// of the machine; the port is a number from 0 to 65535.
func HostPort(address string) (host string, port int, err error) {
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, errors.New("not HOST:PORT")
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a port", p)
	}
	return h, port, nil
}

// Loopback reports whether the host of an address can be reached from this
// machine only: localhost, 127.0.0.0/8 or ::1.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// Address notes under the key what is wrong with HOST:PORT; ok is false then.
func (e *Errors) Address(key, address string) (host string, ok bool) {
	host, _, err := HostPort(address)
	if err != nil {
		e.Add(key, "%q: %v", address, err)
	}
	return host, err == nil
}

// LogLevel notes under log.level when it is none.
func (e *Errors) LogLevel(level string) {
	switch level {
	case "debug", "info", "warn", "error":
	default:
		e.Add("log.level", "%q is none of debug, info, warn, error", level)
	}
}
