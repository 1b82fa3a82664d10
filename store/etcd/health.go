package etcd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lepton-sdn/lepton/store"
)

// memberTimeout bounds the question to one member.
const memberTimeout = 2 * time.Second

// Members asks the members of the cluster how they are, all at once. A member
// that does not answer has an error. When no member says who belongs to the
// cluster, that is an error, beside what those say that are known.
func (s *Store) Members(ctx context.Context) ([]store.Member, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*memberTimeout)
	defer cancel()
	endpoints := []string{""} // the embedded one
	if s.members != nil {
		endpoints = s.members.all
	}
	answers := make(chan answer, len(endpoints))
	for _, e := range endpoints {
		go func() { answers <- s.ask(ctx, e) }()
	}
	out, ids, err := s.listMembers(ctx)
	for range endpoints {
		a := <-answers
		i, known := ids[a.id]
		if !known {
			i = slices.IndexFunc(out, func(m store.Member) bool { return has(m.Endpoints, a.endpoint) })
		}
		if i < 0 {
			a.member.Endpoints = []string{a.endpoint}
			out = append(out, a.member)
			continue
		}
		a.member.Name, a.member.Endpoints = out[i].Name, out[i].Endpoints
		out[i] = a.member
	}
	slices.SortFunc(out, func(a, b store.Member) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.Compare(a.Endpoints, b.Endpoints))
	})
	return out, err
}

// listMembers gives who belongs to the cluster, and the places by id.
func (s *Store) listMembers(ctx context.Context) (out []store.Member, ids map[uint64]int, err error) {
	ids = map[uint64]int{}
	err = s.each(ctx, firstTry, func(error) bool { return false }, func(ctx context.Context) error {
		list, err := s.client.MemberList(ctx)
		if err != nil {
			return err
		}
		for i, m := range list.Members {
			ids[m.ID] = i
			out = append(out, store.Member{Name: m.Name, Endpoints: m.ClientURLs, Error: "it has not been asked: none of the endpoints is its"})
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("list the members of %s: %w", s.name, err)
	}
	return out, ids, err
}

// has reports whether an endpoint is among URLs, whatever their form.
func has(urls []string, endpoint string) bool {
	bare := func(s string) string {
		_, after, found := strings.Cut(s, "://")
		if !found {
			return s
		}
		return strings.TrimSuffix(after, "/")
	}
	return slices.ContainsFunc(urls, func(u string) bool { return bare(u) == bare(endpoint) })
}

type answer struct {
	endpoint string
	id       uint64
	member   store.Member
}

func (s *Store) ask(ctx context.Context, endpoint string) answer {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	a := answer{endpoint: endpoint}
	st, err := s.client.Status(ctx, endpoint)
	if err != nil {
		a.member.Error = err.Error()
		return a
	}
	a.id = st.Header.MemberId
	a.member = store.Member{
		Leader: st.Leader == a.id, Version: st.Version, Size: st.DbSize, InUse: st.DbSizeInUse, Revision: st.Header.Revision,
		Error: strings.Join(st.Errors, "; "),
	}
	if err := s.disk.allows(); err != nil {
		a.member.Error = err.Error()
	}
	if st.Leader == 0 {
		a.member.Error = "it has no leader: the cluster has no quorum"
	}
	return a
}
