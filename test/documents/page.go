package documents

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Block is a block of a page that is set apart.
type Block struct {
	Line int
	// Kind is the first word behind the fence (sh, yaml, text), Places are the
	// others; of an indented block Kind is empty.
	Kind   string
	Places []string
	Text   string
}

// Span is a piece of text in backticks.
type Span struct {
	Line int
	Text string
}

// Page is what a document has of commands.
type Page struct {
	Name   string // its path in the repository
	Text   string
	Blocks []Block
	Spans  []Span
}

// Read reads a page of the repository at top.
func Read(top, name string) (Page, error) {
	b, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		return Page{}, fmt.Errorf("read document: %w", err)
	}
	return parse(name, string(b)), nil
}

// spanText is code within a line.
var spanText = regexp.MustCompile("`([^`]+)`")

func parse(name, text string) Page {
	p := Page{Name: name, Text: text}
	var open *Block // a fence that is not closed yet
	blank := true
	for i, line := range strings.Split(text, "\n") {
		last := len(p.Blocks) - 1
		switch {
		case open != nil && line == "```":
			p.Blocks = append(p.Blocks, *open)
			open = nil
		case open != nil:
			open.Text += line + "\n"
		case strings.HasPrefix(line, "```"):
			words := strings.Fields(strings.TrimPrefix(line, "```"))
			open = &Block{Line: i + 1, Kind: "text"}
			if len(words) > 0 {
				open.Kind, open.Places = words[0], words[1:]
			}
		case strings.HasPrefix(line, "    ") && blank:
			p.Blocks = append(p.Blocks, Block{Line: i + 1, Text: line[4:] + "\n"})
			continue // what follows, indented, belongs to it
		case strings.HasPrefix(line, "    ") && last >= 0 && p.Blocks[last].Kind == "":
			p.Blocks[last].Text += line[4:] + "\n"
			continue
		default:
			for _, m := range spanText.FindAllStringSubmatch(line, -1) {
				// A table's cells are parted by what a pipe is written with.
				p.Spans = append(p.Spans, Span{i + 1, strings.ReplaceAll(m[1], `\|`, "|")})
			}
		}
		blank = line == ""
	}
	return p
}
