package session

import (
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lepton-sdn/lepton/model"
	"github.com/lepton-sdn/lepton/rpc"
)

// rejections turns records that cannot be used into problems of the host, and
// takes the problems back when a usable record comes or the record goes.
type rejections struct {
	out  *outbox
	log  *zap.Logger
	open map[string]model.Problem // by "kind id"
}

func (r *rejections) note(u *Update) {
	if len(u.Rejected) == 0 && len(r.open) == 0 && !u.Full {
		return
	}
	if u.Full || r.open == nil {
		r.open = map[string]model.Problem{}
	}
	r.close(u)
	for _, bad := range u.Rejected {
		p := model.Problem{
			Object: object(rpc.Ref{Kind: bad.Kind, ID: bad.ID}),
			Text:   "record from the controller cannot be used: " + bad.Err.Error(),
			Since:  time.Now().UTC(),
		}
		r.open[p.Object] = p
		r.log.Error("record from the controller cannot be used", zap.String("object", p.Object),
			zap.Int64("rev", u.Revision), zap.Error(bad.Err))
	}
	list := make([]model.Problem, 0, len(r.open))
	for _, p := range r.open {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b model.Problem) int { return strings.Compare(a.Object, b.Object) })
	r.out.setRejected(list)
}

// close forgets the problems of records that the update brings or deletes.
func (r *rejections) close(u *Update) {
	if len(r.open) == 0 {
		return
	}
	for ref := range u.Records() {
		delete(r.open, object(ref))
	}
	for ref := range u.Deletions() {
		delete(r.open, object(ref))
	}
}

func object(r rpc.Ref) string { return string(r.Kind) + " " + r.ID }
