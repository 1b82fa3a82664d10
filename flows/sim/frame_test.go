package sim

import (
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/frames.txt")

// framesFile holds frames with their fields: a line with the name, one with the
// bytes, one with the fields.
const framesFile = "testdata/frames.txt"

type namedFrame struct {
	name string
	hex  string
	want string
}

func frames(t testing.TB) []namedFrame {
	t.Helper()
	b, err := os.ReadFile(framesFile)
	if err != nil {
		t.Fatal(err)
	}
	var list []namedFrame
	for _, record := range strings.Split(string(b), "\nframe ")[1:] {
		lines := strings.Split(record, "\n")
		list = append(list, namedFrame{name: lines[0], hex: lines[1], want: lines[2]})
	}
	return list
}

func frame(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFieldsOfFrames(t *testing.T) {
	golden := "# Ethernet frames, each with its fields as they come in through port 1.\n"
	for _, tt := range frames(t) {
		t.Run(tt.name, func(t *testing.T) {
			p, err := FromFrame(frame(t, tt.hex), 1)
			if err != nil {
				t.Fatal(err)
			}
			got := p.String()
			if got != tt.want && !*update {
				t.Errorf("fields are %s\nwant       %s", got, tt.want)
			}
			golden += "\nframe " + tt.name + "\n" + tt.hex + "\n" + got + "\n"
		})
	}
	if *update {
		if err := os.WriteFile(framesFile, []byte(golden), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAShortFrameIsAnError(t *testing.T) {
	if _, err := FromFrame([]byte{1, 2, 3}, 1); err == nil {
		t.Error("three bytes are read as a frame")
	}
}

func FuzzFromFrame(f *testing.F) {
	for _, tt := range frames(f) {
		f.Add(frame(f, tt.hex))
	}
	b := NewBridge("br", rules(f, "ip actions=ct(table=1)", "table=1 actions=dec_ttl,output:2", "arp actions=set_field:2->arp_op,IN_PORT"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := FromFrame(data, 1)
		if err != nil {
			return
		}
		b.Run(p, Options{Conns: &Conns{}})
	})
}
