package flows

import (
	"encoding/json"
	"fmt"
	"strings"
)

// separators stand between the parts of a flow's text.
const separators = ", \t\r\n"

// scanner cuts the text of a flow, or of the arguments of an action, into
// words with values: key, key=value, key:value and key(value).
type scanner struct{ rest string }

// word is one part of a flow's text.
type word struct {
	key   string
	value string
	// sep stands between them: '=', ':', '(' or 0 for none.
	sep byte
}

// next gives the next word, or false at the end.
func (s *scanner) next() (word, bool, error) {
	s.rest = strings.TrimLeft(s.rest, separators)
	if s.rest == "" {
		return word{}, false, nil
	}
	n := 0
	if s.rest[0] == '"' {
		end := quoteEnd(s.rest)
		if end < 0 {
			return word{}, false, fmt.Errorf("name %s: no closing quote", s.rest)
		}
		n = end
	}
	for n < len(s.rest) && !strings.ContainsRune(":=("+separators, rune(s.rest[n])) {
		n++
	}
	w := word{key: s.rest[:n]}
	s.rest = s.rest[n:]
	if s.rest == "" || strings.ContainsRune(separators, rune(s.rest[0])) {
		return w, true, nil
	}
	w.sep = s.rest[0]
	end, err := valueEnd(s.rest, w.sep)
	if err != nil {
		return word{}, false, fmt.Errorf("%s: %w", w.key, err)
	}
	w.value, s.rest = s.rest[1:end], s.rest[end:]
	if w.sep == '(' {
		s.rest = s.rest[1:]
	}
	return w, true, nil
}

// valueEnd finds where the value ends that starts behind s[0]: at the bracket
// that closes s[0], or at a separator outside brackets and quotes.
func valueEnd(s string, sep byte) (int, error) {
	depth := 0
	if sep == '(' {
		depth = 1
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			end := quoteEnd(s[i:])
			if end < 0 {
				return 0, fmt.Errorf("name %s: no closing quote", s[i:])
			}
			i += end - 1
		case c == '(':
			depth++
		case c == ')':
			depth--
			if depth == 0 && sep == '(' {
				return i, nil
			}
			if depth < 0 {
				return 0, fmt.Errorf("bracket %q: not opened", s[i:])
			}
		case depth == 0 && strings.IndexByte(separators, c) >= 0:
			return i, nil
		}
	}
	if depth > 0 {
		return 0, fmt.Errorf("bracket %q: not closed", s)
	}
	return len(s), nil
}

// quoteEnd gives the index behind the quote that closes s[0], or -1.
func quoteEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// unquote takes the quotes off a name, if it has any.
func unquote(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	var name string
	if err := json.Unmarshal([]byte(s), &name); err != nil {
		return "", fmt.Errorf("name %s: bad quoting", s)
	}
	return name, nil
}
