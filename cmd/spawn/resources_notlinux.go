//go:build !linux

package main

// resources is empty: attr.Rlimit is of no use here.
var resources []resource
