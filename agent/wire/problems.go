package wire

import (
	"cmp"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
)

// maxProblems bounds what is told to the controller. The log has them all.
const maxProblems = 200

// problems is what the host cannot do at the moment. Every part of the loop
// that finds problems is a source of its own and replaces what it said before.
type problems struct {
	now     func() time.Time
	log     *zap.Logger
	sources map[string]map[string]model.Problem // source → object → problem
	changed bool
}

func newProblems(now func() time.Time, log *zap.Logger) problems {
	return problems{now: now, log: log, sources: map[string]map[string]model.Problem{}}
}

// replace notes all that a source has to say, object → text, and gives the
// objects for which that is something new or the end of something. A problem
// that was there before keeps its time; a new one is logged.
func (p *problems) replace(source string, found map[string]string) (news map[string]bool) {
	old := p.sources[source]
	if len(old) == 0 && len(found) == 0 {
		return nil
	}
	news = map[string]bool{}
	list := make(map[string]model.Problem, len(found))
	for object, text := range found {
		if was, ok := old[object]; ok && was.Text == text {
			list[object] = was
			continue
		}
		list[object] = model.Problem{Object: object, Text: text, Since: p.now().UTC()}
		news[object] = true
		p.log.Warn("problem", zap.String("object", object), zap.String("text", text))
	}
	for object := range old {
		if _, still := found[object]; !still {
			news[object] = true
			p.log.Info("problem gone", zap.String("object", object))
		}
	}
	p.changed = p.changed || len(news) > 0
	if len(list) == 0 {
		delete(p.sources, source)
	} else {
		p.sources[source] = list
	}
	return news
}

// text gives what a source says of an object, "" for nothing.
func (p *problems) text(source, object string) string { return p.sources[source][object].Text }

func (p *problems) count() int {
	n := 0
	for _, list := range p.sources {
		n += len(list)
	}
	return n
}

// sorted gives the problems, the oldest first.
func (p *problems) sorted() []model.Problem {
	var out []model.Problem
	for _, list := range p.sources {
		for _, v := range list {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b model.Problem) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Text, b.Text))
	})
	return out[:min(len(out), maxProblems)]
}

// tellProblems sends the list when it changed.
func (l *Loop) tellProblems() {
	if l.problems.changed {
		l.problems.changed = false
		l.cfg.Controller.SetProblems(l.problems.sorted())
	}
}
