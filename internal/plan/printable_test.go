package plan

import "testing"

// TestPrintable wants no text that a terminal would obey, and others as they are.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "/a b\\c\"é": "/a b\\c\"é", "a\r": `"a\r"`, "\x1b[2J": `"\x1b[2J"`, "\u009b2J": `"\u009b2J"`, "\x9b2J": `"\x9b2J"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
