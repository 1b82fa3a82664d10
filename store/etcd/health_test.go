package etcd

import (
	"testing"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store/storetest"
)

func TestAnEmbeddedStoreIsItsOnlyMember(t *testing.T) {
	list, err := openEmbedded(t, t.TempDir(), zap.NewNop()).Members(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("members %+v (%v)", list, err)
	}
	if m := list[0]; m.Error != "" || !m.Leader || m.Version == "" || m.Size == 0 || m.Revision == 0 {
		t.Errorf("the member is %+v", m)
	}
}

func TestAMemberThatDoesNotAnswerIsTold(t *testing.T) {
	c := storetest.StartCluster(t, 3)
	s, err := OpenExternal(t.Context(), External{Endpoints: c.Endpoints(), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	count := func() (members, leaders, faulty int) {
		list, err := s.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if m.Leader {
				leaders++
			}
			if m.Error != "" {
				faulty++
			}
		}
		return len(list), leaders, faulty
	}
	if members, leaders, faulty := count(); members != 3 || leaders != 1 || faulty != 0 {
		t.Fatalf("%d members, %d leaders, %d faulty", members, leaders, faulty)
	}
	c.Kill(1)
	if members, _, faulty := count(); members != 3 || faulty != 1 {
		t.Errorf("with one stopped: %d members, %d faulty", members, faulty)
	}
}
