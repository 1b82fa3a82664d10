// Package web looks at the operator's page with Debian's Chromium: at a
// lepton-controller, as make build makes it, that has records, agents without
// hosts among them.
//
//	go test ./test/web            tests
//	go test ./test/web -update    also writes the pictures of docs/page.md
package web
