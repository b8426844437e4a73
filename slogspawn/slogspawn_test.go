package slogspawn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/slogspawn"
)

// records is a handler that keeps what it gets.
type records struct {
	slog.Handler
	level slog.Level
	list  []slog.Record
}

func (r *records) Enabled(_ context.Context, l slog.Level) bool { return l >= r.level }

func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.list = append(r.list, rec)
	return nil
}

func TestLevels(t *testing.T) {
	for level, want := range map[zapcore.Level]slog.Level{
		zapcore.DebugLevel: slog.LevelDebug, zapcore.InfoLevel: slog.LevelInfo, zapcore.WarnLevel: slog.LevelWarn,
		zapcore.ErrorLevel: slog.LevelError, zapcore.PanicLevel: 16, zapcore.FatalLevel: 20,
	} {
		h := &records{level: want}
		slogspawn.New(slog.New(h)).Check(level, "text").Write()
		if len(h.list) != 1 || h.list[0].Level != want || h.list[0].Message != "text" || h.list[0].Time.IsZero() {
			t.Errorf("%v: %v", level, h.list)
		}
		h.level = want + 1
		if e := slogspawn.New(slog.New(h)).Check(level, "text"); e != nil {
			t.Errorf("%v is logged at %v", level, h.level)
		}
	}
}

func TestNone(t *testing.T) {
	if l := slogspawn.New(nil); l != nil {
		t.Errorf("New(nil) is %v", l)
	}
	s := self(t)
	s.Logger = slogspawn.New(nil)
	if state, err := spawn.Run(t.Context(), s); err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}

// TestNotMade logs nothing by a Logger that New did not make.
func TestNotMade(t *testing.T) {
	for _, l := range []*slogspawn.Logger{nil, new(slogspawn.Logger)} {
		if e := l.Check(zapcore.ErrorLevel, "text"); e != nil {
			t.Errorf("%#v: %v", l, e)
		}
	}
	s := self(t)
	s.Logger = new(slogspawn.Logger)
	if state, err := spawn.Run(t.Context(), s); err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}

type object struct{ name string }

func (o object) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("name", o.name)
	e.OpenNamespace("inner")
	e.AddInt("n", 1)
	return nil
}

type broken struct{}

func (broken) MarshalLogObject(zapcore.ObjectEncoder) error { return errors.New("broken") }

// TestFields writes fields of all kinds as JSON.
func TestFields(t *testing.T) {
	var out bytes.Buffer
	h := slog.NewJSONHandler(&out, nil).WithGroup("outer").WithAttrs([]slog.Attr{slog.Int("kept", 1)})
	when := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	var nothing *time.Time
	slogspawn.New(slog.New(h)).Check(zapcore.InfoLevel, "text").Write(
		zap.String("string", "x"), zap.ByteString("bytes", []byte("y")), zap.Binary("binary", []byte{1}), zap.Bool("bool", true),
		zap.Int("int", -1), zap.Int64("int64", -64), zap.Int32("int32", -32), zap.Int16("int16", -16), zap.Int8("int8", -8),
		zap.Uint("uint", 1), zap.Uint64("uint64", 1<<63), zap.Uint32("uint32", 32), zap.Uint16("uint16", 16), zap.Uint8("uint8", 8), zap.Uintptr("uintptr", 9),
		zap.Float64("float64", 0.5), zap.Float32("float32", 0.25), zap.Complex128("complex128", 1+2i), zap.Complex64("complex64", 2),
		zap.Duration("duration", time.Second), zap.Time("time", when), zap.Stringer("stringer", time.Minute), zap.Stringer("nil", nothing),
		zap.Error(errors.New("failed")), zap.NamedError("absent", nil), zap.Skip(), zap.Any("any", map[string]int{"a": 1}), zap.Strings("strings", []string{"a", "b"}),
		zap.Object("object", object{"o"}), zap.Object("broken", broken{}), zap.Inline(object{"inline"}), zap.Int("last", 2),
	)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%s: %v", out.Bytes(), err)
	}
	want := `{"kept":1,"string":"x","bytes":"y","binary":"AQ==","bool":true,
		"int":-1,"int64":-64,"int32":-32,"int16":-16,"int8":-8,
		"uint":1,"uint64":9223372036854775808,"uint32":32,"uint16":16,"uint8":8,"uintptr":9,
		"float64":0.5,"float32":0.25,"complex128":"(1+2i)","complex64":"(2+0i)",
		"duration":1000000000,"time":"2020-01-02T03:04:05Z","stringer":"1m0s","nil":"<nil>",
		"error":"failed","any":{"a":1},"strings":["a","b"],
		"object":{"name":"o","inner":{"n":1}},"brokenError":"broken","name":"inline","inner":{"n":1,"last":2}}`
	if got, want := canonical(t, got["outer"]), canonical(t, json.RawMessage(want)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// canonical is a value as JSON with sorted keys.
func canonical(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var x any
	if err := json.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	text, err = json.MarshalIndent(x, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// self is a program that ends at once: this one, to list no tests.
func self(t *testing.T) *spawn.Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &spawn.Spec{Path: path, Args: []string{path, "-test.list=^$"}}
	s.Actions.Open(1, os.DevNull, os.O_WRONLY, 0)
	return s
}

// TestSpawn logs a spawn, and one that fails.
func TestSpawn(t *testing.T) {
	h := &records{level: slog.LevelDebug}
	s := self(t)
	s.Logger = slogspawn.New(slog.New(h))
	if _, err := spawn.Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	s.Path = filepath.Join(t.TempDir(), "missing")
	if _, err := spawn.Run(t.Context(), s); err == nil {
		t.Fatal("no error")
	}
	h.list = slices.DeleteFunc(h.list, func(r slog.Record) bool { return r.Level != slog.LevelDebug })
	if len(h.list) != 3 || h.list[0].Message != "spawned" || h.list[1].Message != "exited" || h.list[2].Message != "spawn failed" {
		t.Fatalf("%v", h.list)
	}
	if f := h.list[0].Source(); f == nil || filepath.Base(f.File) != "spawn.go" {
		t.Errorf("the source is %+v", f)
	}
	fields := map[string]any{}
	for _, r := range h.list[1:] {
		r.Attrs(func(a slog.Attr) bool {
			fields[a.Key] = a.Value.Any()
			return true
		})
	}
	err, _ := fields["error"].(error)
	if _, ok := fields["took"].(time.Duration); !ok || fields["status"] != "exit status 0" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", fields)
	}
}
