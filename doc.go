// Package spawn starts processes.
package spawn
