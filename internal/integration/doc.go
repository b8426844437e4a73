// Package integration has only tests: those that need all of a spawn, from the Spec to
// what the child has become and what has become of this process. Tests of an
// attribute's effect are in package attr, beside the attribute.
package integration
