package inspect

import (
	"strconv"
	"strings"
	"unicode"
)

// Plain is a text that others wrote, such as a port's name, for a terminal: in
// one line, with what a terminal would obey (ECMA-48 control sequences), what
// turns the direction of writing and what cannot be seen spelt out as Go spells it,
// \x1b. So who names a port cannot move an operator's cursor or add a row to a
// table.
func Plain(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case hidden(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsGraphic(r) }
