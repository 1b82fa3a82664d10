package ofp

import (
	"cmp"
	"errors"
	"regexp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lepton-sdn/lepton/test/ovstest"
)

func TestMetersAreMadeAndChanged(t *testing.T) {
	s := ovstest.Start(t)
	s.AddBridge("br0")
	c := dial(t, s, "br0")
	for _, m := range []Meter{{30, 1000, 250}, {30, 1000, 250}, {30, 50, 5}, {31, 1, 1}} {
		if err := c.PutMeter(deadline(t), m); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Ofctl("-O", "OpenFlow15", "dump-meters", "br0")
	for _, want := range []string{`meter=30 pktps burst stats bands=\s+type=drop rate=50 burst_size=5\s`, `meter=31 pktps burst stats bands=\s+type=drop rate=1 burst_size=1\s`} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	all, err := c.Meters(deadline(t))
	slices.SortFunc(all, func(a, b Meter) int { return cmp.Compare(a.ID, b.ID) })
	if diff := gocmp.Diff([]Meter{{30, 50, 5}, {31, 1, 1}}, all); err != nil || diff != "" {
		t.Errorf("the meters are read as others (-want +got): %v\n%s", err, diff)
	}
	s.Ofctl("-O", "OpenFlow15", "del-meters", "br0")
	s.Ofctl("-O", "OpenFlow15", "add-meter", "br0", "meter=32,kbps,bands=type=drop,rate=1000")
	if all, err := c.Meters(deadline(t)); err != nil || !slices.Equal(all, []Meter{{ID: 32}}) {
		t.Errorf("a meter of bits is read as %v, %v", all, err)
	}
	if refused := (*Error)(nil); !errors.As(c.PutMeter(deadline(t), Meter{}), &refused) {
		t.Error("meter 0 is not refused")
	}
}
