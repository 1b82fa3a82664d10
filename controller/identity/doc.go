// Package identity says who sends a request and what that identity may do.
//
//	request ──► Authenticator ──► Identity ──► Rule(identity, target) ──► yes / no
//
// An Authenticator turns an HTTP request into an Identity; which one is used is
// the configuration's auth.mode. Rules are small predicates over an identity and
// the object it wants to touch; the API's tables combine them with Any.
package identity
