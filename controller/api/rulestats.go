package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/controller/records"
	"github.com/lepton-sdn/lepton/model"
)

// ruleEndpoint serves rules, and what hosts have counted of them (extension
// lepton-rule-stats):
//
//	GET /v2.0/security-group-rules/<id>/lepton-stats
//	{"lepton_stats": {"packets": 12, "bytes": 1176, "hosts": [
//	    {"host": "hv1", "packets": 12, "bytes": 1176, "read_at": "2026-01-31T12:00:00Z"}]}}
//
// The rights are those of the rule. Which hosts there are only administrators
// see; others get an empty list. The numbers are some 10 to 40 s old. They are
// those since the hosts began to count, so they may fall: watch differences.
// read_at, in UTC by the host's clock, is when a host last saw its numbers grow.
type ruleEndpoint struct {
	*collection[ruleSpec, ruleView]
}

const ruleStatsPath = "lepton-stats"

func (e ruleEndpoint) serve(ctx context.Context, rq *request, rest []string) (response, error) {
	if len(rest) != 2 || rest[1] != ruleStatsPath {
		return e.collection.serve(ctx, rq, rest)
	}
	if rq.http.Method != http.MethodGet {
		return response{}, errMethod
	}
	var answer object
	err := e.api.read(ctx, func(r records.Reader) error {
		if _, err := e.seen(r, rq.who, rest[0]); err != nil {
			return err
		}
		answer = object{{"lepton_stats", ruleStats(r, rest[0], rq.who.Admin)}}
		return nil
	})
	return response{status: http.StatusOK, body: appendObject(nil, answer)}, err
}

func (e ruleEndpoint) methods(rest []string) []string {
	if len(rest) == 2 && rest[1] == ruleStatsPath {
		return []string{http.MethodGet, http.MethodOptions}
	}
	return e.collection.methods(rest)
}

// ruleStats adds up what the hosts have counted of a rule.
func ruleStats(r records.Reader, id string, withHosts bool) object {
	var packets, bytes uint64
	hosts := []object{}
	for s := range records.RuleStats.All(r) {
		i, found := slices.BinarySearchFunc(s.Counters, id, func(c model.RuleCounter, id string) int { return strings.Compare(c.Rule, id) })
		if !found {
			continue
		}
		c := s.Counters[i]
		packets, bytes = packets+c.Packets, bytes+c.Bytes
		if withHosts {
			hosts = append(hosts, object{
				{"host", s.Host}, {"packets", c.Packets}, {"bytes", c.Bytes}, {"read_at", c.ReadAt.UTC().Format(time.RFC3339)},
			})
		}
	}
	return object{{"packets", packets}, {"bytes", bytes}, {"hosts", hosts}}
}
