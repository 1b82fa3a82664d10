package upkeep

import (
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/agent/audit"
	"github.com/lepton-sdn/lepton/agent/internalport"
	"github.com/lepton-sdn/lepton/linux/child"
	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/ovsdb"
	"github.com/lepton-sdn/lepton/rpc"
	"github.com/lepton-sdn/lepton/telemetry"
)

// Kind says what a loop keeps.
type Kind struct {
	// Noun is what problems, findings and the log call an object, before its id.
	Noun string
	// Thing is what the host has of an object: "router", "server".
	Thing string
	// Changed and Failed are what the log says of an object that was changed, and
	// of one that cannot be brought to what is desired.
	Changed, Failed string
	// Drift is the kind of what an audit finds.
	Drift string
	// Prefix begins the names of the objects' network namespaces.
	Prefix string
	// Key is the external_id of an interface that says which object's it is.
	Key string
	// Children begin the names of the objects' programs.
	Children []string
	// Every is how often an object is looked at that nothing happens to, give or
	// take a half.
	Every time.Duration
}

// Database is Open vSwitch's configuration database (*ovsdb.Client).
type Database interface {
	internalport.Database
	Watch() *ovsdb.Watcher
}

// Controller is a loop's end of the connection to the controllers
// (*feed.Consumer).
type Controller interface {
	Updates() <-chan rpc.Update
	Ack(revision int64)
	ReportObjects(statuses ...model.ObjectStatus)
	SetProblems(problems []model.Problem)
	SetDevices(n int, inSync bool)
}

// Config says what a loop works with.
type Config struct {
	Host string
	// Owner marks the namespaces of this agent: it has to be another one for
	// every agent on the machine, and the same after a restart.
	Owner string
	// Bridge is the integration bridge.
	Bridge string
	// SwitchNamespace is where Open vSwitch makes its links; "" is the agent's
	// own network namespace.
	SwitchNamespace string
	RunDir          string // for the files of the objects' programs
	DB              Database
	Children        *child.Supervisor
	Controller      Controller
	// Audit takes what was found changed by others; nil: it is only repaired.
	Audit *audit.Auditor
	// Loop counts the workers' jobs; nil: nothing does.
	Loop *telemetry.Loop
	Log  *zap.Logger
}
