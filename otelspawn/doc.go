// Package otelspawn tells OpenTelemetry of the children of packages spawn and exec.
//
//	spec.Observer = otelspawn.New()
//
// Each start makes a span, which ends with the child. Its parent is the span in the
// context of the start. The conventions are those of a program that calls a command: the
// kind is client, the name is the base name of the program, and the attributes are
// process.executable.name, process.executable.path, process.pid and, once the child has
// exited, process.exit.code. error.type is there if the start has failed, with the name
// of the step; if the status is not 0, with the status; and if a signal has killed the
// child, with the name of the signal. Then there is no process.exit.code. The event
// "spawn.started" is at the time when the child ran its program. Its attributes are the
// phases of the start, in seconds. Arguments and environment are never told.
//
// The metrics are:
//
//	spawn.start.duration  histogram, s  how long starts take, with error.type if one has failed
//	spawn.child.duration  histogram, s  how long children live, with error.type if one has failed
//	spawn.child.count     up-down       how many children there are
//
// Their attribute process.executable.name is the base name of the program.
//
// [Observer.Propagate] puts the span into the environment of a child, as TRACEPARENT, so
// that the spans of the child belong to it.
package otelspawn
