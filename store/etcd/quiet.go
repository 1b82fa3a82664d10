package etcd

import (
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet lets through of etcd's log what an operator must know: warnings and
// worse, but for those that say nothing about a server of our making, and
// nothing but what ends the program, once the server is being stopped.
type quiet struct {
	zapcore.Core
	muted *atomic.Bool
}

// harmless are beginnings of messages that a healthy embedded server logs.
var harmless = [...]string{
	"Running http and grpc server on single port",
	"simple token is not cryptographically signed",
	"serving client traffic insecurely",
	// Tried again until the log of before the restart is applied.
	"failed to publish local member to cluster through raft",
	// The next member is tried; if none is left, the caller tells.
	"retrying of unary invoker failed",
}

func newQuiet(log *zap.Logger) *quiet {
	return &quiet{Core: log.Core(), muted: new(atomic.Bool)}
}

func (q *quiet) logger() *zap.Logger { return zap.New(q).Named("etcd") }

// mute drops everything that does not end the program from now on.
func (q *quiet) mute() { q.muted.Store(true) }

// Enabled is zapcore.Core's.
func (q *quiet) Enabled(level zapcore.Level) bool {
	least := zapcore.WarnLevel
	if q.muted.Load() {
		least = zapcore.PanicLevel
	}
	return level >= least && q.Core.Enabled(level)
}

// With is zapcore.Core's.
func (q *quiet) With(fields []zapcore.Field) zapcore.Core {
	return &quiet{Core: q.Core.With(fields), muted: q.muted}
}

// Check is zapcore.Core's.
func (q *quiet) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !q.Enabled(e.Level) {
		return ce
	}
	for _, h := range harmless {
		if strings.HasPrefix(e.Message, h) {
			return ce
		}
	}
	return q.Core.Check(e, ce)
}
