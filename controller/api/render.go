package api

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"strconv"
	"time"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// timeFormat is how the API writes times, in UTC.
const timeFormat = "2006-01-02T15:04:05Z"

// appendObject writes an object.
func appendObject(b []byte, o object) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ',', ' ')
		}
		b = appendString(b, m.name)
		b = append(b, ':', ' ')
		b = appendValue(b, m.value)
	}
	return append(b, '}')
}

// appendValue writes a value. The common types are written here; others as
// encoding/json writes them.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint32:
		return strconv.AppendUint(b, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case *big.Int:
		return v.Append(b, 10)
	case netip.Addr:
		return appendString(b, v.String())
	case time.Time:
		return appendString(b, v.UTC().Format(timeFormat))
	case json.RawMessage:
		return append(b, v...)
	case object:
		return appendObject(b, v)
	case []object:
		return appendList(b, v)
	case []string:
		return appendList(b, v)
	}
	text, err := json.Marshal(v)
	if err != nil { // values come from JSON, so this is a programmer's fault
		panic("api: " + err.Error())
	}
	return append(b, text...)
}

func appendList[T any](b []byte, list []T) []byte {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',', ' ')
		}
		b = appendValue(b, v)
	}
	return append(b, ']')
}

// appendString writes a string; plain ASCII, which nearly all are, as it is.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, err := json.Marshal(s)
			if err != nil {
				panic("api: " + err.Error())
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// orNull is null for an empty string.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// intOrNull is null for a nil pointer.
func intOrNull(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}

// addrOrNull is null for an invalid address.
func addrOrNull(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a.String()
}

// list gives an empty list instead of null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
