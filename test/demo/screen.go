package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The colours (ECMA-48, select graphic rendition).
const (
	inPlain  = ""
	inBold   = "1"
	inDim    = "2"
	inRed    = "31"
	inGreen  = "32"
	inYellow = "33"
	inCyan   = "36"
)

// screen is what the visitor sees, and counts what was claimed.
type screen struct {
	w                io.Writer
	coloured         bool
	chapter          int
	claims, failures int
}

// newScreen uses colours on a terminal, or when FORCE_COLOR is set, and not
// when NO_COLOR is.
func newScreen(f *os.File) *screen {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	coloured := (err == nil || os.Getenv("FORCE_COLOR") != "") && os.Getenv("NO_COLOR") == ""
	return &screen{w: f, coloured: coloured}
}

func (s *screen) paint(colour, text string) string {
	if !s.coloured || colour == inPlain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// title begins a chapter.
func (s *screen) title(text string) {
	s.chapter++
	line := fmt.Sprintf("%d. %s", s.chapter, text)
	fmt.Fprintf(s.w, "\n%s\n%s\n\n", s.paint(inBold+";"+inCyan, line), s.paint(inCyan, strings.Repeat("─", len([]rune(line)))))
}

// say explains.
func (s *screen) say(format string, args ...any) {
	fmt.Fprintf(s.w, "%s\n", fmt.Sprintf(format, args...))
}

// command shows what is typed.
func (s *screen) command(prompt, line string) {
	fmt.Fprintf(s.w, "%s%s\n", s.paint(inDim, prompt), s.paint(inYellow, line))
}

// output shows what came back, indented.
func (s *screen) output(text string) {
	for l := range strings.Lines(strings.TrimRight(text, "\n ")) {
		fmt.Fprintf(s.w, "    %s\n", strings.TrimRight(l, "\n"))
	}
}

// claim states something and whether it is so.
func (s *screen) claim(holds bool, format string, args ...any) {
	s.claims++
	mark := s.paint(inBold+";"+inGreen, "✓")
	if !holds {
		s.failures++
		mark = s.paint(inBold+";"+inRed, "✗")
	}
	fmt.Fprintf(s.w, "  %s %s\n", mark, fmt.Sprintf(format, args...))
}

// fail reports what should not have happened.
func (s *screen) fail(format string, args ...any) { s.claim(false, format, args...) }
