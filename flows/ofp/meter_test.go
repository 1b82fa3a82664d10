package ofp

import (
	"errors"
	"regexp"
	"testing"

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
	if refused := (*Error)(nil); !errors.As(c.PutMeter(deadline(t), Meter{}), &refused) {
		t.Error("meter 0 is not refused")
	}
}
