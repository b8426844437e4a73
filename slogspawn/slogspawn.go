// Package slogspawn lets packages spawn and exec log to package log/slog.
//
//	spec.Logger = slogspawn.New(slog.Default())
package slogspawn

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"go.uber.org/zap/zapcore"
)

// Logger is a spawn.Logger that writes to a [slog.Handler]. [New] makes one. The zero
// value writes nothing.
type Logger struct{ handler slog.Handler }

// New returns a Logger that writes to the handler of l. If l is nil, New returns
// nil, and a nil Logger counts as no Logger.
//
// The levels debug, info, warn and error are those of the same name. zap has levels
// above error. They become 12, 16 and 20, and none of them panics or ends the
// program.
//
// The handler gets errors as errors, and durations and times as such. Objects and
// namespaces become groups. A fmt.Stringer becomes its text. The source is the
// place that made the entry.
func New(l *slog.Logger) *Logger {
	if l == nil {
		return nil
	}
	return &Logger{l.Handler()}
}

// Check returns an entry to be written. It returns nil if the handler is not
// enabled for the level, or if there is no handler.
func (l *Logger) Check(level zapcore.Level, message string) *zapcore.CheckedEntry {
	if l == nil || l.handler == nil || !l.handler.Enabled(context.Background(), slogLevel(level)) {
		return nil
	}
	var caller [1]uintptr
	runtime.Callers(2, caller[:])
	e := zapcore.Entry{Level: level, Time: time.Now(), Message: message}
	var none *zapcore.CheckedEntry
	return none.AddCore(e, writer{zapcore.NewNopCore(), l.handler, caller[0]})
}

// slogLevel is the level of the same name: both packages have equal steps between
// debug, info, warn and error.
func slogLevel(l zapcore.Level) slog.Level { return slog.Level(l) * slog.LevelWarn }

// writer writes one entry.
type writer struct {
	zapcore.Core // which an entry asks for nothing else
	handler      slog.Handler
	caller       uintptr
}

func (w writer) Write(e zapcore.Entry, list []zapcore.Field) error {
	r := slog.NewRecord(e.Time, slogLevel(e.Level), e.Message, w.caller)
	r.AddAttrs(attrs(list)...)
	return w.handler.Handle(context.Background(), r)
}
