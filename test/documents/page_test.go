package documents

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPageIsItsBlocksAndSpans(t *testing.T) {
	p := parse("a.md", "Do `make it` or\n`a \\| b`:\n\n    one # x\n\n      two\n\n```sh hv1 hv2\nip addr\n\n```\n- text\n    not a block, `b c`\n")
	blocks := []Block{
		{Line: 4, Text: "one # x\n"},
		{Line: 6, Text: "  two\n"},
		{Line: 8, Kind: "sh", Places: []string{"hv1", "hv2"}, Text: "ip addr\n\n"},
	}
	spans := []Span{{1, "make it"}, {2, "a | b"}, {13, "b c"}}
	if diff := cmp.Diff(blocks, p.Blocks) + cmp.Diff(spans, p.Spans); diff != "" {
		t.Error(diff)
	}
}
