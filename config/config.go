// Package config reads the YAML files of the programs strictly: an unknown
// key, a value of the wrong type or a second document is an error that names
// the file, the line and the key.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file: 1 MiB.
const maxFile = 1 << 20

// Load reads the file into dst, which already holds the defaults. The error is
// one line for each thing that is wrong, each with file and line.
func Load(path string, dst any) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	if len(b) > maxFile {
		return fmt.Errorf("read configuration %s: larger than %d bytes", path, maxFile)
	}
	return Parse(path, b, dst)
}

// Parse reads YAML text into dst; name stands for the file in errors.
func Parse(name string, text []byte, dst any) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	err := dec.Decode(dst)
	switch {
	case errors.Is(err, io.EOF):
		return nil // an empty file means the defaults
	case err != nil:
		return explain(name, err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: more than one YAML document", name)
	}
	return nil
}

var (
	unknownKey = regexp.MustCompile(`(?s)^line (\d+): field (\S+) not found in type .*$`)
	lineOf     = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
)

// explain turns the decoder's errors into FILE:LINE: text.
func explain(name string, err error) error {
	msgs := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		msgs = te.Errors
	}
	out := make([]string, 0, len(msgs))
	for _, m := range msgs {
		if g := unknownKey.FindStringSubmatch(m); g != nil {
			out = append(out, fmt.Sprintf("%s:%s: unknown key %q", name, g[1], g[2]))
		} else if g := lineOf.FindStringSubmatch(m); g != nil {
			out = append(out, fmt.Sprintf("%s:%s: %s", name, g[1], g[2]))
		} else {
			out = append(out, fmt.Sprintf("%s: %s", name, m))
		}
	}
	return errors.New(strings.Join(out, "\n"))
}

// In puts the file's name before each line of what is wrong with its content.
func In(file string, err error) error {
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		lines[i] = file + ": " + l
	}
	return errors.New(strings.Join(lines, "\n"))
}

// Errors collects what is wrong with a configuration, so that an operator sees
// all of it at once.
type Errors struct{ list []string }

// Add notes that the key has a value that cannot be used.
func (e *Errors) Add(key, format string, args ...any) {
	e.list = append(e.list, key+": "+fmt.Sprintf(format, args...))
}

// Err gives the collected errors as one, nil when there are none.
func (e *Errors) Err() error {
	if len(e.list) == 0 {
		return nil
	}
	return errors.New(strings.Join(e.list, "\n"))
}
