package exectest

import (
	"encoding/json"
	"unicode/utf8"
)

// Text is any bytes. If they are not UTF-8, the file has {"base64": "..."} for them, and
// otherwise a string.
type Text string

type encoded struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON is for package json.
func (t Text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(encoded{[]byte(t)})
}

// UnmarshalJSON is for package json.
func (t *Text) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return json.Unmarshal(b, (*string)(t))
	}
	var e encoded
	err := json.Unmarshal(b, &e)
	*t = Text(e.Base64)
	return err
}
