package consensus

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// raftLogger is Raft's log as slog. Raft tells much that is no news, and calls
// errors what every election and every node that is down bring with them: what
// happened is told once, by this package, and Raft's view of it is for debugging.
type raftLogger struct {
	to   *slog.Logger
	name string
	with []any
}

var _ hclog.Logger = raftLogger{}

func newRaftLogger(to *slog.Logger) raftLogger { return raftLogger{to: to, name: "raft"} }

// noise begins the messages that a network in good order brings about.
var noise = []string{
	"failed to heartbeat to", "failed to appendEntries to", "failed to make requestVote RPC", "failed to contact",
	"failed to get previous log", "previous log term mis-match", "appendEntries rejected, sending older logs",
	"rejecting vote request", "rejecting pre-vote request", "duplicate requestVote", "heartbeat timeout reached",
	"Election timeout reached", "peer has newer term", "skipping application of old log", "clearing log suffix",
	"new leader elected, stepping down", "found temporary snapshot", "failed to take snapshot", "nothing new to snapshot",
}

// level is at which level we tell what Raft tells.
func level(l hclog.Level, msg string) slog.Level {
	switch {
	case l >= hclog.Warn:
		for _, n := range noise {
			if strings.HasPrefix(msg, n) {
				return slog.LevelDebug
			}
		}
		if l >= hclog.Error {
			return slog.LevelError
		}
		return slog.LevelWarn
	case l == hclog.Trace:
		return slog.LevelDebug - 4
	}
	return slog.LevelDebug // Raft's "info" is a narrative for its own developers
}

func (r raftLogger) Log(l hclog.Level, msg string, args ...any) {
	at := level(l, msg)
	if !r.to.Enabled(context.Background(), at) {
		return
	}
	r.to.Log(context.Background(), at, r.name+": "+msg, append(append([]any(nil), r.with...), args...)...)
}

func (r raftLogger) Trace(msg string, args ...any) { r.Log(hclog.Trace, msg, args...) }
func (r raftLogger) Debug(msg string, args ...any) { r.Log(hclog.Debug, msg, args...) }
func (r raftLogger) Info(msg string, args ...any)  { r.Log(hclog.Info, msg, args...) }
func (r raftLogger) Warn(msg string, args ...any)  { r.Log(hclog.Warn, msg, args...) }
func (r raftLogger) Error(msg string, args ...any) { r.Log(hclog.Error, msg, args...) }

func (r raftLogger) enabled(l slog.Level) bool { return r.to.Enabled(context.Background(), l) }

func (r raftLogger) IsTrace() bool { return r.enabled(slog.LevelDebug - 4) }
func (r raftLogger) IsDebug() bool { return r.enabled(slog.LevelDebug) }
func (r raftLogger) IsInfo() bool  { return r.enabled(slog.LevelInfo) }
func (r raftLogger) IsWarn() bool  { return r.enabled(slog.LevelWarn) }
func (r raftLogger) IsError() bool { return r.enabled(slog.LevelError) }

func (r raftLogger) ImpliedArgs() []any { return r.with }
func (r raftLogger) Name() string       { return r.name }

func (r raftLogger) With(args ...any) hclog.Logger {
	r.with = append(append([]any(nil), r.with...), args...)
	return r
}

func (r raftLogger) Named(name string) hclog.Logger {
	r.name += "." + name
	return r
}

func (r raftLogger) ResetNamed(name string) hclog.Logger {
	r.name = name
	return r
}

// SetLevel does nothing: the level is that of the slog handler.
func (r raftLogger) SetLevel(hclog.Level)  {}
func (r raftLogger) GetLevel() hclog.Level { return hclog.NoLevel }

func (r raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(r.to.Handler(), slog.LevelDebug)
}

func (r raftLogger) StandardWriter(o *hclog.StandardLoggerOptions) io.Writer {
	return r.StandardLogger(o).Writer()
}
