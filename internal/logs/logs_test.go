package logs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn/internal/logs"
)

type value struct{}

func (value) Check(zapcore.Level, string) *zapcore.CheckedEntry { return nil }

type function func(zapcore.Level, string) *zapcore.CheckedEntry

func (f function) Check(l zapcore.Level, s string) *zapcore.CheckedEntry { return f(l, s) }

func TestUsed(t *testing.T) {
	for _, c := range []struct {
		logger logs.Logger
		used   bool
	}{
		{nil, false},
		{(*zap.Logger)(nil), false},
		{(*value)(nil), false},
		{zap.NewNop(), true},
		{value{}, true},
		{&value{}, true},
		{function(value{}.Check), true},
	} {
		if got := logs.Used(c.logger); (got != nil) != c.used {
			t.Errorf("%T, %v: used as %v", c.logger, c.logger, got)
		}
	}
}

// TestFields wants the fields of package zap.
func TestFields(t *testing.T) {
	failure := errors.New("x")
	for _, c := range []struct{ got, want zapcore.Field }{
		{logs.String("a", "b"), zap.String("a", "b")},
		{logs.Int("a", -7), zap.Int("a", -7)},
		{logs.Int("a", int64(1)<<40), zap.Int64("a", 1<<40)},
		{logs.Duration("a", time.Second), zap.Duration("a", time.Second)},
		{logs.Stringer("a", zap.DebugLevel), zap.Stringer("a", zap.DebugLevel)},
		{logs.Error(failure), zap.Error(failure)},
	} {
		if got, want := fmt.Sprintf("%#v", c.got), fmt.Sprintf("%#v", c.want); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	}
}
