// Package logs makes the fields of log entries with zapcore alone. Package zap,
// which has the usual constructors, links net/http and crypto/tls.
package logs

import (
	"fmt"
	"reflect"
	"time"

	"go.uber.org/zap/zapcore"
)

// Logger is spawn.Logger.
type Logger interface {
	Check(zapcore.Level, string) *zapcore.CheckedEntry
}

// Used returns l. It returns nil where l is nil or a nil pointer, such as a nil
// *zap.Logger.
func Used(l Logger) Logger {
	if IsNil(l) {
		return nil
	}
	return l
}

// IsNil reports whether the value of an interface is nil or a nil pointer.
func IsNil(x any) bool {
	if x == nil {
		return true
	}
	v := reflect.ValueOf(x)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// String is a field with a text.
func String(key, value string) zapcore.Field {
	return zapcore.Field{Key: key, Type: zapcore.StringType, String: value}
}

// Int is a field with a number.
func Int[T int | int64](key string, value T) zapcore.Field {
	return zapcore.Field{Key: key, Type: zapcore.Int64Type, Integer: int64(value)}
}

// Duration is a field with a time.
func Duration(key string, value time.Duration) zapcore.Field {
	return zapcore.Field{Key: key, Type: zapcore.DurationType, Integer: int64(value)}
}

// Stringer is a field whose text is made when the entry is written.
func Stringer(key string, value fmt.Stringer) zapcore.Field {
	return zapcore.Field{Key: key, Type: zapcore.StringerType, Interface: value}
}

// Error is the field "error". The error must not be nil.
func Error(err error) zapcore.Field {
	return zapcore.Field{Key: "error", Type: zapcore.ErrorType, Interface: err}
}
