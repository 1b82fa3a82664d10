// Package proxy answers guests' requests for metadata in all namespaces of a
// host from one process, `lepton-agent metadata-proxy`. The process outlives the
// agent, which starts it and tells it by files what there is:
//
//	<dir>/settings.json          who answers: Nova's metadata API or the controllers
//	<dir>/scopes/<name>.json     a namespace: where to listen, which port has which address
//	<dir>/counters.json          what the proxy has done, for the agent's metrics
//
//	guest ──► socket in qrouter-… or qdhcp-…  (opened there, one goroutine each)
//	              │ which port has the source address, on the link of arrival?
//	              ▼
//	          limits ──► a request of its own, signed ──► Nova │ a controller
//
// Files are read at the start and again on SIGHUP. A file that cannot be used
// leaves in force what was read of it before.
//
// What guests send is hostile. Nothing of it goes on but the method, the path
// with its query, and the body of a POST or PUT; headers are made from nothing.
// The bounds: connections of an address, of a namespace and of all; the sizes of
// header and body; the time for each part of a request; requests a second of a
// port.
package proxy
