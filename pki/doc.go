// Package pki makes and loads the certificates of controllers and agents.
//
// One certificate authority stands for one cloud. A certificate's DNS names
// are its holder's identity: an agent may speak only as a host that its
// certificate names, and it talks only to a controller whose certificate names
// the address that the agent was told to use.
//
//	CA ──Issue──▶ Pair ──Save──▶ files ──Files.Server / Files.Client──▶ tls.Config
//
// Everything is TLS 1.3 with ECDSA P-256 keys. Certificates are read again when
// their files change; nothing has to be restarted for a renewal.
package pki
