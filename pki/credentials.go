package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"

	"go.uber.org/zap"
	"google.golang.org/grpc/credentials"
)

// Credentials give gRPC's clients and servers mutual TLS, as of the files at
// each handshake. Connections that a server refuses are logged, with what the
// certificate says of its holder.
func (k *Keys) Credentials() credentials.TransportCredentials { return grpcCredentials{k} }

type grpcCredentials struct{ keys *Keys }

func (c grpcCredentials) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(c.keys.Client()).ClientHandshake(ctx, authority, conn)
}

func (c grpcCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := credentials.NewTLS(c.keys.Server()).ServerHandshake(conn)
	if err != nil && !errors.Is(err, io.EOF) { // a port that was only looked at
		c.keys.log.Warn("connection refused", zap.Stringer("remote", conn.RemoteAddr()),
			zap.String("certificate", shown(err)), zap.Error(err))
	}
	return secured, info, err
}

// Info tells what the connection is like, as gRPC's own TLS does.
func (c grpcCredentials) Info() credentials.ProtocolInfo { return credentials.NewTLS(base()).Info() }

// Clone gives the same: nothing in it is changed.
func (c grpcCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName is not supported: the name is the one that was dialled.
func (c grpcCredentials) OverrideServerName(string) error {
	return errors.New("the server's name is the one that was dialled")
}

// shown says whose certificate was refused, as far as the error tells.
func shown(err error) string {
	var certs []*x509.Certificate
	if bad := (*tls.CertificateVerificationError)(nil); errors.As(err, &bad) {
		certs = bad.UnverifiedCertificates
	}
	if bad := (*RevokedError)(nil); errors.As(err, &bad) {
		certs = append(certs, bad.Certificate)
	}
	if len(certs) == 0 {
		return ""
	}
	return describeShort(certs[0])
}

// describeShort is a certificate in a word for the log: names and serial number.
func describeShort(c *x509.Certificate) string {
	return strings.Join(c.DNSNames, ",") + " serial " + c.SerialNumber.Text(16)
}
