package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Bounds on what a body may hold: how deep it nests, how many items one list or
// object has, and how many there are in all. They bound the memory that a body
// takes once it is decoded, and what is done once for each pair of items.
const (
	maxDepth = 32
	maxItems = 10_000
	maxTotal = 100_000
)

// readBody reads a request's JSON object.
func (a *API) readBody(r *http.Request) (map[string]any, error) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, badRequest("The body of the request is encoded as '%s'; only plain JSON is read.", clip(coding))
	}
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, a.config.MaxBody))
	if err != nil {
		if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) || errors.Is(err, errBusy) {
			return nil, err
		}
		return nil, badRequest("The body of the request could not be read.")
	}
	return parseBody(raw)
}

// parseBody reads a JSON object; numbers stay as they were written.
func parseBody(raw []byte) (map[string]any, error) {
	if !utf8.Valid(raw) {
		return nil, badRequest("The server could not comply with the request since it is malformed: the body is not UTF-8.")
	}
	if err := checkShape(raw); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var body map[string]any
	if err := d.Decode(&body); err != nil {
		return nil, badRequest("The server could not comply with the request since it is malformed: the body is not a JSON object.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badRequest("The server could not comply with the request since it is malformed: there is something behind the body's JSON object.")
	}
	if body == nil {
		return nil, badRequest("The body of the request is empty.")
	}
	return body, nil
}

// checkShape refuses what nests too deep, or has too many items, before it is
// decoded.
func checkShape(raw []byte) error {
	depth, text, total := 0, false, 0
	var items [maxDepth + 1]int
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return badRequest("The body of the request is nested deeper than %d levels.", maxDepth)
			}
			items[depth] = 1
			total++
		case c == ',':
			total++
			if items[depth]++; items[depth] > maxItems {
				return badRequest("The body of the request has more than %d items in one list.", maxItems)
			}
		case c == '}', c == ']':
			depth = max(depth-1, 0)
		}
		if total > maxTotal {
			return badRequest("The body of the request has more than %d items.", maxTotal)
		}
	}
	return nil
}

// elements gives the objects under a body's root key: one under the singular,
// several under the plural.
func elements(body map[string]any, member, plural string) (elements []map[string]any, bulk bool, err error) {
	if v, ok := body[plural]; ok && plural != "" {
		items, ok := v.([]any)
		if !ok || len(items) == 0 {
			return nil, true, badRequest("Resources required")
		}
		for _, item := range items {
			o, ok := item.(map[string]any)
			if !ok {
				return nil, true, badRequest("Unable to find '%s' in request body", member)
			}
			if inner, ok := o[member].(map[string]any); ok && len(o) == 1 {
				o = inner
			}
			elements = append(elements, o)
		}
		return elements, true, nil
	}
	o, err := root(body, member)
	return []map[string]any{o}, false, err
}

// root gives the object under a body's root key.
func root(body map[string]any, member string) (map[string]any, error) {
	o, ok := body[member].(map[string]any)
	if !ok {
		return nil, badRequest("Unable to find '%s' in request body", member)
	}
	for name := range body {
		if name != member {
			return nil, badRequest("Unrecognized attribute(s) '%s'", name)
		}
	}
	return o, nil
}

// textOf shows a value of a request in a message.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return clip(v)
	case json.Number:
		return clip(v.String())
	case nil:
		return "None"
	}
	return clip(fmt.Sprint(v))
}

func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
