package rpc

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lepton-sdn/lepton/rpc/pb"
)

// Refusal is why a controller ends a stream that it will not serve. It is an
// error on both sides: gRPC carries it as a status with a detail.
type Refusal struct {
	Reason pb.Refusal_Reason
	Host   string
	Text   string // one sentence for the operator
}

// Error gives the sentence for the operator.
func (r *Refusal) Error() string { return r.Text }

// GRPCStatus gives the form in which the refusal travels.
func (r *Refusal) GRPCStatus() *status.Status {
	st := status.New(r.code(), r.Text)
	if with, err := st.WithDetails(&pb.Refusal{Reason: r.Reason, Host: r.Host}); err == nil {
		return with
	}
	return st
}

func (r *Refusal) code() codes.Code {
	switch r.Reason {
	case pb.Refusal_REASON_IDENTITY:
		return codes.PermissionDenied
	case pb.Refusal_REASON_HOST_TAKEN:
		return codes.AlreadyExists
	case pb.Refusal_REASON_PROTOCOL:
		return codes.FailedPrecondition
	case pb.Refusal_REASON_MALFORMED:
		return codes.InvalidArgument
	case pb.Refusal_REASON_REPLACED:
		return codes.Aborted
	case pb.Refusal_REASON_STUCK:
		return codes.DeadlineExceeded
	}
	return codes.Unavailable
}

// AsRefusal finds the refusal in the error with which a stream ended.
func AsRefusal(err error) (*Refusal, bool) {
	st, ok := status.FromError(err)
	if !ok {
		return nil, false
	}
	for _, d := range st.Details() {
		if m, ok := d.(*pb.Refusal); ok {
			return &Refusal{Reason: m.GetReason(), Host: m.GetHost(), Text: st.Message()}, true
		}
	}
	return nil, false
}

// Refuse makes a refusal with a formatted sentence.
func Refuse(reason pb.Refusal_Reason, host, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Host: host, Text: fmt.Sprintf(format, args...)}
}
