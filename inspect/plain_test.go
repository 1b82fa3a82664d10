package inspect

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/lepton-sdn/lepton/model"
)

func TestTextsOfOthersCannotSpeakToATerminal(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"web 1 – köln 网络":             "web 1 – köln 网络",
		"two\nlines\tand a tab":       "two lines and a tab",
		"\x1b]0;title\x07":            `\x1b]0;title\a`,
		"\u009b2J":                    `\u009b2J`, // CSI in one character
		"\u202eedisni":                `\u202eedisni`,
		"a\u2028b\u200bc\x7f":         `a\u2028b\u200bc\x7f`,
		"not UTF-8: \xff":             "not UTF-8: \ufffd",
		`already \x1b, which is text`: `already \x1b, which is text`,
	} {
		if got := Plain(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := Plain(rapid.String().Draw(t, "text"))
		if i := strings.IndexFunc(got, func(r rune) bool { return !unicode.IsGraphic(r) }); i >= 0 {
			t.Fatalf("%q has a character at %d that cannot be seen", got, i)
		}
	})
}

func TestADeviceOwnerIsAsHarmlessAsAName(t *testing.T) {
	o := Object{Kind: "port", ID: portID, Name: "\x1b[2J", Text: portText(&model.Port{DeviceOwner: "compute:\x1b[2J"})}
	if text := o.String(); strings.ContainsRune(text, '\x1b') || !strings.Contains(text, "compute:") {
		t.Errorf("%q", text)
	}
}
