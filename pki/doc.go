// Package pki makes and loads the certificates of controllers and agents.
//
// One certificate authority stands for one cloud. A certificate's DNS names
// are its holder's identity: an agent may speak only as a host that its
// certificate names, and it talks only to a controller whose certificate names
// the address that the agent was told to use.
//
//	CA ──Issue──▶ Pair ──Save──▶ files ──Files.Open──▶ Keys ──▶ tls.Config, credentials
//	 └───Revoke──▶ list of revoked certificates ─┘
//
// Everything between programs is TLS 1.3 with ECDSA P-256 keys. Certificates,
// keys, authorities and lists of revoked certificates are read again when their
// files change; nothing has to be restarted for a renewal, nor to shut out a
// certificate that was stolen.
package pki
