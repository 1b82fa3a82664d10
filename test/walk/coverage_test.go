package walk

import (
	"slices"
	"testing"
)

func TestTheWalkHasEveryCommandThatTheClientHasForNetworking(t *testing.T) {
	commands, err := clientCommands()
	if err != nil {
		t.Fatal(err)
	}
	if len(commands) < 150 {
		t.Fatalf("only %d commands found", len(commands))
	}
	typed := map[string]bool{}
	for _, chapter := range append(Chapters(), CloudChapters()...) {
		for _, s := range chapter.Steps {
			longest := ""
			for _, command := range commands {
				if beginsWith(s.Command, command) && len(command) > len(longest) {
					longest = command
				}
			}
			typed[longest] = true
		}
	}
	for _, command := range commands {
		excused := false
		for words := range notWalked {
			excused = excused || beginsWith(command, words)
		}
		if !typed[command] && !excused {
			t.Errorf("no chapter types %q, and nothing says why not", command)
		}
		if typed[command] && excused {
			t.Errorf("a chapter types %q: take it out of the table of what is not walked", command)
		}
	}
	for words := range notWalked {
		if !slices.ContainsFunc(commands, func(c string) bool { return beginsWith(c, words) }) {
			t.Errorf("the client has no command %q", words)
		}
	}
}
