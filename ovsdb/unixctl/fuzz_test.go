package unixctl

import (
	"bytes"
	"testing"
)

// FuzzAnswer reads whatever a daemon may answer: a text, or an error, never both.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"id":0,"result":"netdev@ovs-netdev\n","error":null}`, `{"id":0,"result":null,"error":"no such bridge"}`,
		`{"result":{}}`, `{"result":null,"error":null}`, "[", "", "{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := readAnswer(bytes.NewReader(b))
		if err != nil && text != "" {
			t.Errorf("%q and %v", text, err)
		}
	})
}
