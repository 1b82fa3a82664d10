package clusterfaults

import (
	"os"
	"testing"

	"github.com/lepton-sdn/lepton/test/trouble"
)

func TestMain(m *testing.M) {
	trouble.Main()
	os.Exit(m.Run())
}
