package slogspawn

import (
	"fmt"
	"log/slog"
	"time"

	"go.uber.org/zap/zapcore"
)

// attrs are fields as attributes.
func attrs(list []zapcore.Field) []slog.Attr {
	g := &group{attrs: make([]slog.Attr, 0, len(list))}
	for _, f := range list {
		if err, ok := f.Interface.(error); ok && f.Type == zapcore.ErrorType {
			g.add(f.Key, slog.AnyValue(err)) // AddTo would make it text
			continue
		}
		f.AddTo(g)
	}
	return g.list()
}

// group is a zapcore.ObjectEncoder that collects attributes.
type group struct {
	attrs []slog.Attr
	name  string // of the namespace below, which takes all that follows
	below *group
}

// list are the attributes, those of the namespace in a group.
func (g *group) list() []slog.Attr {
	if g.below == nil {
		return g.attrs
	}
	return append(g.attrs, slog.GroupAttrs(g.name, g.below.list()...))
}

func (g *group) add(key string, v slog.Value) {
	for g.below != nil {
		g = g.below
	}
	g.attrs = append(g.attrs, slog.Attr{Key: key, Value: v})
}

func (g *group) OpenNamespace(key string) {
	for g.below != nil {
		g = g.below
	}
	g.name, g.below = key, &group{}
}

func (g *group) AddObject(key string, o zapcore.ObjectMarshaler) error {
	inner := &group{}
	err := o.MarshalLogObject(inner)
	g.add(key, slog.GroupValue(inner.list()...))
	return err
}

func (g *group) AddArray(key string, a zapcore.ArrayMarshaler) error {
	m := zapcore.NewMapObjectEncoder()
	err := m.AddArray(key, a)
	g.add(key, slog.AnyValue(m.Fields[key]))
	return err
}

func (g *group) AddReflected(key string, v any) error {
	g.add(key, slog.AnyValue(v))
	return nil
}

func (g *group) AddBinary(key string, v []byte)          { g.add(key, slog.AnyValue(v)) }
func (g *group) AddByteString(key string, v []byte)      { g.add(key, slog.StringValue(string(v))) }
func (g *group) AddString(key, v string)                 { g.add(key, slog.StringValue(v)) }
func (g *group) AddBool(key string, v bool)              { g.add(key, slog.BoolValue(v)) }
func (g *group) AddDuration(key string, v time.Duration) { g.add(key, slog.DurationValue(v)) }
func (g *group) AddTime(key string, v time.Time)         { g.add(key, slog.TimeValue(v)) }

// Complex numbers are text: JSON has none.
func (g *group) AddComplex128(key string, v complex128) { g.add(key, slog.StringValue(fmt.Sprint(v))) }
func (g *group) AddComplex64(key string, v complex64)   { g.add(key, slog.StringValue(fmt.Sprint(v))) }

func (g *group) AddFloat64(key string, v float64) { g.add(key, slog.Float64Value(v)) }
func (g *group) AddFloat32(key string, v float32) { g.AddFloat64(key, float64(v)) }
func (g *group) AddInt64(key string, v int64)     { g.add(key, slog.Int64Value(v)) }
func (g *group) AddInt(key string, v int)         { g.AddInt64(key, int64(v)) }
func (g *group) AddInt32(key string, v int32)     { g.AddInt64(key, int64(v)) }
func (g *group) AddInt16(key string, v int16)     { g.AddInt64(key, int64(v)) }
func (g *group) AddInt8(key string, v int8)       { g.AddInt64(key, int64(v)) }
func (g *group) AddUint64(key string, v uint64)   { g.add(key, slog.Uint64Value(v)) }
func (g *group) AddUint(key string, v uint)       { g.AddUint64(key, uint64(v)) }
func (g *group) AddUint32(key string, v uint32)   { g.AddUint64(key, uint64(v)) }
func (g *group) AddUint16(key string, v uint16)   { g.AddUint64(key, uint64(v)) }
func (g *group) AddUint8(key string, v uint8)     { g.AddUint64(key, uint64(v)) }
func (g *group) AddUintptr(key string, v uintptr) { g.AddUint64(key, uint64(v)) }
