package walk

import (
	"bufio"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAStepSeesWhatIsWrong(t *testing.T) {
	object := map[string]any{"name": "a", "mtu": 1450.0}
	rows := []any{object, map[string]any{"name": "b"}}
	for name, c := range map[string]struct {
		step Step
		said answer
		ok   bool
	}{
		"an attribute that is right, beside others": {Step{Shows: Attributes{"mtu": 1450}}, answer{shown: object}, true},
		"an attribute that is wrong":                {Step{Shows: Attributes{"mtu": 1400}}, answer{shown: object}, false},
		"an attribute that is not there":            {Step{Shows: Attributes{"mtu": 1450, "shared": nil}}, answer{shown: object}, false},
		"rows in another order":                     {Step{Shows: []Attributes{{"name": "b"}, {"name": "a"}}}, answer{shown: rows}, true},
		"a row too many":                            {Step{Shows: []Attributes{{"name": "a"}}}, answer{shown: rows}, false},
		"a row too many where others may be":        {Step{Shows: []Attributes{{"name": "a"}}, Among: true}, answer{shown: rows}, true},
		"a row that is not there among others":      {Step{Shows: []Attributes{{"name": "c"}}, Among: true}, answer{shown: rows}, false},
		"no rows":                                   {Step{Shows: []Attributes{}}, answer{shown: []any{}}, true},
		"a row that is not there":                   {Step{Shows: []Attributes{{"name": "a"}, {"name": "c"}}}, answer{shown: rows}, false},
		"an object instead of rows":                 {Step{Shows: []Attributes{}}, answer{shown: object}, false},
		"a refusal that was wanted":                 {Step{Refused: "409"}, answer{said: "HTTP 409: in use"}, true},
		"another refusal":                           {Step{Refused: "409"}, answer{said: "HTTP 400: bad"}, false},
		"a refusal that was not wanted":             {Step{}, answer{said: "HTTP 500"}, false},
		"an answer in place of a refusal":           {Step{Refused: "409"}, answer{shown: object}, false},
	} {
		t.Run(name, func(t *testing.T) {
			step, err := c.step.filled(nil)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := step.check(c.said); (wrong == "") != c.ok {
				t.Errorf("says %q", wrong)
			}
		})
	}
}

func TestNamesAreReplacedEverywhere(t *testing.T) {
	got, err := Step{
		Command: "port show $port2 --on $port -f json", Refused: "no $port", Shows: []Attributes{{"id": "$port", "n": 1}},
	}.filled(map[string]string{"port": "p", "port2": "q"})
	if err != nil {
		t.Fatal(err)
	}
	want := Step{Command: "port show q --on p -f json", Refused: "no p", Shows: []any{map[string]any{"id": "p", "n": 1.0}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := (Step{Command: "port show $nobody"}).filled(nil); err == nil {
		t.Error("a name that nothing saved was typed")
	}
}

func TestAnIDIsSavedOfAnObjectOrOfOneRow(t *testing.T) {
	for name, c := range map[string]struct {
		shown any
		want  string
	}{
		"an object":   {map[string]any{"id": "x"}, "x"},
		"one row":     {[]any{map[string]any{"ID": "x"}}, "x"},
		"two rows":    {[]any{map[string]any{"ID": "x"}, map[string]any{"ID": "y"}}, ""},
		"no rows":     {[]any{}, ""},
		"without one": {map[string]any{"name": "x"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Step{}.id(answer{shown: c.shown})
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestDocumentsAreFoundAmongOtherWords(t *testing.T) {
	r := bufio.NewReader(strings.NewReader("Added router\n{\n  \"a\": {\n    \"b\": [\n      1\n    ]\n  }\n}\n\n[]\n[x]\n[\n  {\n    \"c\": \"}\"\n  }\n]\n"))
	var got []any
	for {
		v, err := document(r)
		if err != nil {
			break
		}
		got = append(got, v)
	}
	want := []any{map[string]any{"a": map[string]any{"b": []any{1.0}}}, []any{}, []any{map[string]any{"c": "}"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
