package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/store"
	"github.com/lepton-sdn/lepton/store/etcd"
	"github.com/lepton-sdn/lepton/store/mem"
	"github.com/lepton-sdn/lepton/store/storetest"
)

// cluster is where clouds are made while the suite runs on etcd; nil for
// stores in memory.
var cluster *etcdCluster

// etcdCluster gives each test keys of its own in one cluster.
type etcdCluster struct {
	endpoints []string
	roots     atomic.Int64
}

// clusterStore is a controller's client of the cluster.
type clusterStore struct {
	store.Store
	root string
}

func (e *etcdCluster) open(t testing.TB, root string) *clusterStore {
	t.Helper()
	s, err := etcd.OpenExternal(t.Context(), etcd.External{Endpoints: e.endpoints, Root: root, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &clusterStore{Store: s, root: root}
}

func (e *etcdCluster) fresh(t testing.TB) *clusterStore {
	t.Helper()
	return e.open(t, fmt.Sprintf("/test/%d", e.roots.Add(1)))
}

// sharedStore gives a new store for several controllers; newCloudOn gives each
// a client of its own.
func sharedStore(t testing.TB) store.Store {
	t.Helper()
	if cluster != nil {
		return cluster.fresh(t)
	}
	return mem.New()
}

// newPair makes two controllers and a front that sends every request to the
// other one than the one before.
func newPair(t testing.TB, options ...option) *cloud {
	t.Helper()
	s := cluster.fresh(t)
	c, other := newCloudOn(t, s, options...), newCloudOn(t, s, options...)
	handlers := []http.Handler{c.server.Config.Handler, other.server.Config.Handler}
	var n atomic.Int64
	c.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[n.Add(1)%2].ServeHTTP(w, r)
	}))
	t.Cleanup(c.server.Close)
	return c
}

// TestTheAPIOnAThreeNodeCluster runs what of this package's tests depends on the
// store, on a real cluster: those of one client with its requests alternating
// between two controllers, and those of many clients of two controllers.
func TestTheAPIOnAThreeNodeCluster(t *testing.T) {
	cluster = &etcdCluster{endpoints: storetest.StartCluster(t, 3, "--max-txn-ops=10000").Endpoints()}
	defer func() { cluster = nil }()
	for _, tc := range []struct {
		name string
		test func(*testing.T)
	}{
		{"refusals", TestRefusalsHaveNeutronsStatusAndType},
		{"segments of networks", TestANetworkGetsASegmentAndTheMTUThatFits},
		{"exhausted segments", TestExhaustedSegmentsAreRefusedAndComeBackWithADelete},
		{"deletion of networks", TestDeletingANetworkTakesItsSubnetsAndTheServicesPorts},
		{"subnets", TestSubnetsOfANetwork},
		{"changes of subnets", TestChangingASubnet},
		{"addresses of ports", TestTheAddressesOfANewPort},
		{"changes of addresses", TestChangingThePortsAddresses},
		{"automatic subnets", TestANewAutomaticSubnetGivesAddressesToPortsThatAreThere},
		{"binding", TestBindingFollowsUpdates},
		{"status", TestAPortIsActiveWhenItsHostSaysSo},
		{"port security", TestPortSecurity},
		{"default groups", TestTheDefaultGroupIsThereWheneverAProjectLooks},
		{"first requests at once", TestManyFirstRequestsAtOnceMakeOneDefaultGroup},
		{"rules", TestRulesCountAsChangesOfTheirGroup},
		{"groups in use", TestAGroupInUseAsRemoteStaysUntilTheRuleGoes},
		{"filters", TestFiltersOfPorts},
		{"pages", TestFollowingThePagesGivesEveryObjectOnce},
		{"bulk", TestBulkMakesAllOrNothing},
		{"revisions", TestUpdatesOnARevisionThatHasPassedAreRefused},
		{"tags", TestTagsOfAllTaggedResources},
		{"quotas", TestAQuotaEndsWithOverQuotaAndComesBackWithADelete},
		{"sharing", TestEachTypeOfObjectIsSharedWithOneProjectAndTakenBack},
		{"prefixes of pools", TestPrefixesOfAPoolComeAndGo},
		{"routers", TestARouterHasItsGatewayAndItsInterfacesAsPorts},
		{"gateways", TestAGatewayIsSetMovedAndCleared},
		{"floating addresses", TestAFloatingAddressStandsForAFixedOne},
		{"forwardings", TestForwardingsOfPorts},
		{"trunks", TestTrunksComeAndGo},
		{"QoS policies", TestRulesOfAQoSPolicy},
		{"segments", TestSegmentsOfANetworkComeAndGo},
		{"ranges", TestNetworksGetIDsOfTheirProjectsRangesFirst},
		{"bindings", TestAGuestsPortMovesToAnotherHost},
		{"routers on agents", TestAnAdministratorPutsARouterOnAnAgent},
		{"templates of rules", TestNewGroupsAreMadeFromTheTemplates},
		{"flavors", TestFlavorsOfRouters},
		{"local IPs", TestLocalIPs},
		{"instances", TestInstancesComeAndGo},
		{"metering", TestMeteringLabelsAndTheirRules},
		{"logs", TestLogsComeAndGo},
		{"topologies", TestAProjectGetsANetworkThatWorks},
		{"many clients: trunks", TestATrunkAndABindingAtOnceDoNotMeet},
		{"many clients: QoS policies", TestARuleAndAUseAtOnceDoNotMeet},
		{"many clients: ranges", TestARangeAndANetworkOfItExcludeEachOther},
		{"many clients: topologies", TestOneTopologyIsMadeForManyRequests},
		{"many clients: segments", TestConcurrentChangesOfSegmentsKeepThemConsistent},
		{"many clients: addresses", TestManyClientsOfTwoControllersNeverGetTheSameAddress},
		{"many clients: records", TestConcurrentChangesKeepTheRecordsConsistent},
		{"many clients: automatic subnets", TestAPortMadeTogetherWithAnAutomaticSubnetHasAnAddressInIt},
		{"many clients: quotas", TestManyRequestsThroughTwoControllersDoNotExceedAQuota},
		{"many clients: quotas at every moment", TestAQuotaHoldsAtEveryMoment},
		{"many clients: prefixes", TestManyClientsOfTwoControllersNeverGetTheSamePrefix},
		{"many clients: policies", TestAPolicyIsNotTakenBackWhileItsObjectIsTakenIntoUse},
		{"many clients: routers", TestConcurrentChangesOfRoutersKeepThemConsistent},
		{"many clients: networks", TestManyClientsOfTwoControllersShareTheSegments},
		{"reading what was written", TestAClientReadsItsWritesThroughTheOtherController},
	} {
		t.Run(tc.name, tc.test)
	}
}

// TestABulkBeyondTheClustersLimitLeavesNothing meets etcd's own limit of 128
// operations in a transaction.
func TestABulkBeyondTheClustersLimitLeavesNothing(t *testing.T) {
	cluster = &etcdCluster{endpoints: storetest.StartCluster(t, 1).Endpoints()}
	defer func() { cluster = nil }()
	c := newCloud(t)
	n := id(c.network(`{}`))
	c.subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/24"`)
	c.port(n, "")
	bulk := func(ports int) string {
		return `{"ports": [` + strings.TrimSuffix(strings.Repeat(`{"network_id": "`+n+`"},`, ports), ",") + `]}`
	}
	before := len(c.claims())
	if status, out, _ := c.call("POST", "/v2.0/ports", bulk(60)); status != http.StatusRequestEntityTooLarge || refusedType(out) != "HTTPRequestEntityTooLarge" {
		t.Errorf("%d %v", status, out)
	}
	if after := len(c.claims()); after != before {
		t.Errorf("%d keys are taken after a refused bulk, %d before", after, before)
	}
	c.must(http.StatusCreated, "POST", "/v2.0/ports", bulk(15))
}

// TestMembersOfTheClusterComeAndGo kills each member in turn while clients of
// two controllers make ports: what was acknowledged stays, nothing is given
// twice, and requests are answered again within seconds.
func TestMembersOfTheClusterComeAndGo(t *testing.T) {
	servers := storetest.StartCluster(t, 3)
	cluster = &etcdCluster{endpoints: servers.Endpoints()}
	defer func() { cluster = nil }()
	s := sharedStore(t)
	clouds := []*cloud{newCloudOn(t, s, unlimited), newCloudOn(t, s, unlimited)}
	n := id(clouds[0].network(`{}`))
	clouds[1].subnet(n, `"ip_version": 4, "cidr": "10.0.0.0/16"`)
	var said acknowledged
	stop := make(chan struct{})
	var all sync.WaitGroup
	for client := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				status, out, _ := clouds[(client+i)%2].call("POST", "/v2.0/ports", `{"port": {"network_id": "`+n+`"}}`)
				if !said.note(status, out) {
					t.Errorf("%d %v", status, out)
				}
			}
		})
	}
	for i := range 3 {
		said.awaitMore(t, 20)
		servers.Kill(i)
		said.awaitMore(t, 20)
		servers.Restart(i)
	}
	said.awaitMore(t, 20)
	close(stop)
	all.Wait()
	said.checkAllThere(t, clouds)
}
