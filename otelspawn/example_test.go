package otelspawn_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/otelspawn"
)

func Example() {
	exporter := tracetest.NewInMemoryExporter()
	observer := otelspawn.New(otelspawn.WithTracerProvider(trace.NewTracerProvider(trace.WithSyncer(exporter))))
	_, err := spawn.Run(context.Background(), &spawn.Spec{
		Path:     "/bin/sh",
		Args:     []string{"sh", "-c", "exit 3"},
		Observer: observer,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name, span.Status.Description)
	}
	// Output: sh exit status 3
}

// The child finds the span in its environment.
func ExampleObserver_Propagate() {
	observer := otelspawn.New(otelspawn.WithTracerProvider(trace.NewTracerProvider()))
	ctx := context.Background()
	s := &spawn.Spec{Path: "/bin/true"}
	s.Observer, s.Env = observer.Propagate(ctx, s.Path, []string{"PATH=/bin"})
	if _, err := spawn.Run(ctx, s); err != nil {
		log.Fatal(err)
	}
	for _, entry := range s.Env {
		name, _, _ := strings.Cut(entry, "=")
		fmt.Println(name)
	}
	// Output:
	// PATH
	// TRACEPARENT
}
