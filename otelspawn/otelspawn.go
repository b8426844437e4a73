package otelspawn

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/safespawn/spawn"
)

// scope is the name of the instrumentation.
const scope = "github.com/safespawn/spawn/otelspawn"

// Observer is a spawn.Observer that makes spans and metrics. [New] makes one. Give it to
// any number of Specs and Cmds.
type Observer struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator

	starts, children metric.Float64Histogram
	live             metric.Int64UpDownCounter
}

type options struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
}

// Option is an option of [New].
type Option func(*options)

// WithTracerProvider has spans made by p. Without it they are made by the global one.
func WithTracerProvider(p trace.TracerProvider) Option { return func(o *options) { o.tracers = p } }

// WithMeterProvider has metrics made by p. Without it they are made by the global one.
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// WithPropagator has [Observer.Propagate] use p. Without it Propagate uses that of the
// W3C trace context, whatever the global one is, and no baggage.
func WithPropagator(p propagation.TextMapPropagator) Option {
	return func(o *options) { o.propagator = p }
}

// New returns an Observer. If an instrument can't be made, the error goes to the global
// error handler of package otel, and the metric is left out.
func New(list ...Option) *Observer {
	o := options{otel.GetTracerProvider(), otel.GetMeterProvider(), propagation.TraceContext{}}
	for _, option := range list {
		option(&o)
	}
	meter := o.meters.Meter(scope)
	starts, err1 := meter.Float64Histogram("spawn.start.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the call of Start until the child runs its program."), metric.WithExplicitBucketBoundaries(short...))
	children, err2 := meter.Float64Histogram("spawn.child.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the start of a child until it was reaped."), metric.WithExplicitBucketBoundaries(long...))
	live, err3 := meter.Int64UpDownCounter("spawn.child.count", metric.WithUnit("{process}"),
		metric.WithDescription("Number of children that were started and not reaped."))
	if err := errors.Join(err1, err2, err3); err != nil {
		otel.Handle(err)
	}
	return &Observer{o.tracers.Tracer(scope), o.propagator, starts, children, live}
}

// Bounds of the histograms, in seconds.
var (
	short = []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}
	long  = []float64{.001, .01, .1, 1, 10, 60, 600, 3600, 36000}
)

// Started makes the span of a start that has failed, and counts.
func (o *Observer) Started(e spawn.Event) {
	o.countStart(e.Context, e)
	if e.Err != nil {
		o.finish(o.begin(e.Context, e.Path, e.Begin), e)
	}
}

// Ended makes the span of a child that has ended, and counts. The span is made only now,
// with the times of the start and the end.
func (o *Observer) Ended(e spawn.Event) {
	o.countEnd(e.Context, e)
	o.finish(o.begin(e.Context, e.Path, e.Begin), e)
}

func (o *Observer) countStart(ctx context.Context, e spawn.Event) {
	o.starts.Record(ctx, e.Phases.Total().Seconds(), metric.WithAttributes(labels(e)...))
	if e.Err == nil {
		o.live.Add(ctx, 1, metric.WithAttributes(name(e.Path)))
	}
}

func (o *Observer) countEnd(ctx context.Context, e spawn.Event) {
	o.children.Record(ctx, e.Lived.Seconds(), metric.WithAttributes(labels(e)...))
	o.live.Add(ctx, -1, metric.WithAttributes(name(e.Path)))
}

// begin begins a span.
func (o *Observer) begin(ctx context.Context, path string, when time.Time) trace.Span {
	_, span := o.tracer.Start(ctx, filepath.Base(path), trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(when),
		trace.WithAttributes(name(path), semconv.ProcessExecutablePath(path)))
	return span
}

// finish ends a span.
func (o *Observer) finish(span trace.Span, e spawn.Event) {
	p := e.Phases
	started := e.Begin.Add(p.Total())
	if e.Pid != 0 {
		span.SetAttributes(semconv.ProcessPID(e.Pid))
		span.AddEvent("spawn.started", trace.WithTimestamp(started), trace.WithAttributes(
			seconds("queue", p.Queue), seconds("prepare", p.Prepare), seconds("clone", p.Clone),
			seconds("steps", p.Steps), seconds("execve", p.Execve)))
	}
	if e.State != nil && e.State.Exited() {
		span.SetAttributes(semconv.ProcessExitCode(e.State.ExitCode()))
	}
	if why := errorType(e); why != "" {
		span.SetAttributes(semconv.ErrorTypeKey.String(why))
		span.SetStatus(codes.Error, description(e))
	}
	span.End(trace.WithTimestamp(started.Add(e.Lived)))
}

func name(path string) attribute.KeyValue { return semconv.ProcessExecutableName(filepath.Base(path)) }

func seconds(phase string, d time.Duration) attribute.KeyValue {
	return attribute.Float64("spawn.phase."+phase, d.Seconds())
}

// labels are the attributes of metrics: they have few values.
func labels(e spawn.Event) []attribute.KeyValue {
	list := []attribute.KeyValue{name(e.Path)}
	if why := errorType(e); why != "" {
		list = append(list, semconv.ErrorTypeKey.String(why))
	}
	return list
}

// errorType says what has gone wrong in one word of a few; nothing, if nothing has.
func errorType(e spawn.Event) string {
	switch {
	case e.Step != "":
		return e.Step
	case errors.Is(e.Err, context.DeadlineExceeded):
		return "deadline_exceeded"
	case errors.Is(e.Err, context.Canceled):
		return "canceled"
	case e.Err != nil:
		return "status_lost"
	case e.State == nil || e.State.Success():
		return ""
	case e.State.Signaled():
		return e.State.Signal().String()
	}
	return strconv.Itoa(e.State.ExitCode())
}

// description is the same in more words.
func description(e spawn.Event) string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.State.String()
}
