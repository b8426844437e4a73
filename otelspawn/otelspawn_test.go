package otelspawn_test

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/otelspawn"
)

// helper says what the test binary is to do instead of running tests.
const helper = "OTELSPAWN_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helper) {
	case "exit 5":
		os.Exit(5)
	case "print":
		for _, entry := range os.Environ() {
			if strings.HasPrefix(entry, "TRACE") || strings.HasPrefix(entry, "BAGGAGE") {
				os.Stdout.WriteString(entry + "\n")
			}
		}
		os.Exit(0)
	case "hang":
		signal.Ignore(os.Interrupt)
		time.Sleep(time.Minute)
	}
	os.Exit(m.Run())
}

func self(t *testing.T, what string) *spawn.Spec {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &spawn.Spec{Path: path, Env: append(os.Environ(), helper+"="+what)}
}

// sdk is OpenTelemetry, in memory.
type sdk struct {
	spans   *tracetest.InMemoryExporter
	tracers *sdktrace.TracerProvider
	metrics *metric.ManualReader
	*otelspawn.Observer
}

func newSDK(list ...otelspawn.Option) *sdk {
	s := &sdk{spans: tracetest.NewInMemoryExporter(), metrics: metric.NewManualReader()}
	s.tracers = sdktrace.NewTracerProvider(sdktrace.WithSyncer(s.spans))
	meters := metric.NewMeterProvider(metric.WithReader(s.metrics))
	s.Observer = otelspawn.New(append(list, otelspawn.WithTracerProvider(s.tracers), otelspawn.WithMeterProvider(meters))...)
	return s
}

// span returns the one span with a name.
func (s *sdk) span(t *testing.T, name string) tracetest.SpanStub {
	t.Helper()
	list := slices.DeleteFunc(s.spans.GetSpans(), func(x tracetest.SpanStub) bool { return x.Name != name })
	if len(list) != 1 {
		t.Fatalf("%d spans %s", len(list), name)
	}
	return list[0]
}

func find(list []attribute.KeyValue, key string) any {
	for _, a := range list {
		if string(a.Key) == key {
			return a.Value.AsInterface()
		}
	}
	return nil
}

func TestSpan(t *testing.T) {
	s := newSDK()
	spec := self(t, "exit 5")
	spec.Observer = s
	ctx, outer := s.tracers.Tracer("test").Start(t.Context(), "outer")
	state, err := spawn.Run(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	outer.End()
	span := s.span(t, filepath.Base(spec.Path))
	if span.SpanKind != trace.SpanKindClient || span.Parent.SpanID() != outer.SpanContext().SpanID() || span.Status.Code != codes.Error {
		t.Errorf("%+v", span)
	}
	for key, want := range map[string]any{
		"process.pid": int64(state.Pid()), "process.executable.path": spec.Path, "process.executable.name": filepath.Base(spec.Path),
		"process.exit.code": int64(5), "error.type": "5",
	} {
		if got := find(span.Attributes, key); got != want {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
	if len(span.Events) != 1 || span.Events[0].Name != "spawn.started" || find(span.Events[0].Attributes, "spawn.phase.execve").(float64) <= 0 {
		t.Errorf("%+v", span.Events)
	}
	if e := span.Events[0].Time; !span.EndTime.After(e) || !e.After(span.StartTime) {
		t.Errorf("%v, %v, %v", span.StartTime, e, span.EndTime)
	}
}

func TestFailures(t *testing.T) {
	s := newSDK()
	missing := &spawn.Spec{Path: filepath.Join(t.TempDir(), "missing"), Observer: s}
	if _, err := spawn.Run(t.Context(), missing); err == nil {
		t.Fatal("it runs")
	}
	span := s.span(t, "missing")
	if find(span.Attributes, "error.type") != spawn.StepExecve || find(span.Attributes, "process.pid") != nil || span.Status.Code != codes.Error {
		t.Errorf("%+v", span)
	}
	s.spans.Reset()
	killed := self(t, "hang")
	killed.Observer = s
	p, err := spawn.Start(t.Context(), killed)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	span = s.span(t, filepath.Base(killed.Path))
	if why, _ := find(span.Attributes, "error.type").(string); why == "" || find(span.Attributes, "process.exit.code") != nil && os.PathSeparator == '/' {
		t.Errorf("%+v", span)
	}
}

func TestMetrics(t *testing.T) {
	s := newSDK()
	for range 3 {
		c := exec.Command(self(t, "").Path)
		c.Env, c.Observer = self(t, "exit 5").Env, s
		_ = c.Run() // status 5
	}
	var all metricdata.ResourceMetrics
	if err := s.metrics.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		found[m.Name] = true
		switch data := m.Data.(type) {
		case metricdata.Histogram[float64]:
			if len(data.DataPoints) != 1 || data.DataPoints[0].Count != 3 || data.DataPoints[0].Sum <= 0 {
				t.Errorf("%s: %+v", m.Name, data)
			}
		case metricdata.Sum[int64]:
			if len(data.DataPoints) != 1 || data.DataPoints[0].Value != 0 {
				t.Errorf("%s: %+v", m.Name, data)
			}
		}
	}
	if !found["spawn.start.duration"] || !found["spawn.child.duration"] || !found["spawn.child.count"] {
		t.Errorf("%v", found)
	}
}

// printed is what a child finds in its environment.
func printed(t *testing.T, ctx context.Context, s *sdk, more ...string) string {
	t.Helper()
	c := exec.Command(self(t, "").Path)
	var out bytes.Buffer
	c.Stdout = &out
	c.Observer, c.Env = s.Propagate(ctx, c.Path, append(self(t, "print").Env, more...))
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPropagate(t *testing.T) {
	s := newSDK()
	ctx, outer := s.tracers.Tracer("test").Start(t.Context(), "outer")
	got := printed(t, ctx, s, "TRACEPARENT=old", "TRACESTATE=old")
	span := s.span(t, filepath.Base(self(t, "").Path))
	if span.Parent.SpanID() != outer.SpanContext().SpanID() {
		t.Errorf("the parent is %v", span.Parent)
	}
	if want := "TRACEPARENT=00-" + span.SpanContext.TraceID().String() + "-" + span.SpanContext.SpanID().String() + "-01\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPropagateAgain starts a Spec twice, and one that fails.
func TestPropagateAgain(t *testing.T) {
	s := newSDK()
	spec := self(t, "exit 5")
	spec.Observer, spec.Env = s.Propagate(t.Context(), spec.Path, spec.Env)
	for range 2 {
		if _, err := spawn.Run(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
	}
	bad := &spawn.Spec{Path: filepath.Join(t.TempDir(), "missing")}
	bad.Observer, bad.Env = s.Propagate(t.Context(), bad.Path, nil)
	if _, err := spawn.Start(t.Context(), bad); err == nil {
		t.Error("it runs")
	}
	ids := map[trace.SpanID]bool{}
	for _, span := range s.spans.GetSpans() {
		ids[span.SpanContext.SpanID()] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d spans", len(ids))
	}
}

// TestNothingToPropagate has no spans, so that the child has what this process has.
func TestNothingToPropagate(t *testing.T) {
	s := newSDK()
	s.Observer = otelspawn.New(otelspawn.WithTracerProvider(noop.NewTracerProvider()))
	if got := printed(t, t.Context(), s, "TRACEPARENT=old"); got != "TRACEPARENT=old\n" {
		t.Errorf("%q", got)
	}
}

func TestBaggage(t *testing.T) {
	s := newSDK(otelspawn.WithPropagator(named{}))
	if got := printed(t, t.Context(), s); got != "TRACE_X=value\n" {
		t.Errorf("%q", got)
	}
}

// named is a propagator with a name that no variable can have.
type named struct{ propagation.TraceContext }

func (named) Inject(_ context.Context, c propagation.TextMapCarrier) { c.Set("trace-x", "value") }

func (named) Fields() []string { return []string{"trace-x"} }
