package offload_test

import (
	"strings"
	"testing"

	"github.com/lepton-sdn/lepton/linux/linuxtest"
	"github.com/lepton-sdn/lepton/linux/offload"
)

func TestTheKernelFillsChecksumsAndIsAskedOnce(t *testing.T) {
	a, b := linuxtest.Namespace(t), linuxtest.Namespace(t)
	linuxtest.Veth(t, a, "x", b, "y")
	for _, want := range []bool{true, false} {
		if changed, err := offload.FillChecksums(a, "x"); err != nil || changed != want {
			t.Fatalf("changed %t, %v, want %t", changed, err, want)
		}
	}
	if _, err := offload.FillChecksums(a, "none"); err == nil || !strings.Contains(err.Error(), "none") {
		t.Fatalf("a link that is not there: %v", err)
	}
}
