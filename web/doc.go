// Package web is the operator's page: a live picture of the cloud, served by the
// controller below /ui/, beside the API that it asks.
//
//	browser ──/ui/──────▶ files of package web (no others: a strict policy)
//	        ──/ui/session▶ how one signs in here
//	        ──/ui/login──▶ the identity service, asked by the controller
//	        ──/v2.0/…───▶ the Networking API, with the token of whoever signed in
//
// The files are the same for everybody and tell nothing of the cloud; whoever
// looks sees what the API gives for their token. The page changes nothing.
package web
