package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// format is how something is printed, if at all.
type format string

const (
	asText format = "text"
	asJSON format = "json"
)

// Set is for the library. The zero value is left alone where the format makes no sense.
func (f *format) Set(s string) error {
	switch format(s) {
	case asText, asJSON:
		*f = format(s)
		return nil
	}
	return fmt.Errorf("not %s or %s", asText, asJSON)
}

// inFormat is a flag that may have a format as its value, after "=".
func (o *options) inFormat(group, name, usage string, to *format) *pflag.Flag {
	f := o.value(group, name, usage, to.Set)
	f.NoOptDefVal = string(asText)
	return f
}

// mayHaveValue reports whether a flag may have a value, and need not have one.
func mayHaveValue(f *pflag.Flag) bool { return !takesValue(f) && f.Value.Type() != "bool" }
