package plugin

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/lepton-sdn/lepton/controller/ipam"
)

// Error is a refusal as API clients see it. Clients map Type to exceptions of
// their own, so the types are Neutron's.
type Error struct {
	Status  int // HTTP
	Type    string
	Message string
}

// Error gives the type and the message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Refuse makes an error of any status.
func Refuse(status int, kind, format string, args ...any) *Error {
	return &Error{Status: status, Type: kind, Message: fmt.Sprintf(format, args...)}
}

// BadRequest is a 400 of the type.
func BadRequest(kind, format string, args ...any) *Error {
	return Refuse(http.StatusBadRequest, kind, format, args...)
}

// InvalidInput is a 400 for a value that is well formed but makes no sense.
func InvalidInput(format string, args ...any) *Error {
	return BadRequest("InvalidInput", "Invalid input for operation: "+format+".", args...)
}

// Conflict is a 409 of the type.
func Conflict(kind, format string, args ...any) *Error {
	return Refuse(http.StatusConflict, kind, format, args...)
}

// NotFound is a 404 for an object of the kind, "Network" for instance; name is
// what people call it.
func NotFound(kind, name, id string) *Error {
	return Refuse(http.StatusNotFound, kind+"NotFound", "%s %s could not be found.", name, id)
}

// NotFoundAs is a 404 of another type.
func NotFoundAs(kind, format string, args ...any) *Error {
	return Refuse(http.StatusNotFound, kind, format, args...)
}

// poolRefusal makes a refusal of what ipam.CheckPools found.
func poolRefusal(err error) error {
	bad := (*ipam.PoolError)(nil)
	if !errors.As(err, &bad) {
		return err
	}
	switch bad.Problem {
	case ipam.PoolReversed:
		return BadRequest("InvalidAllocationPool", "The allocation pool %s-%s is not valid.", bad.Pool.Start, bad.Pool.End)
	case ipam.PoolOutside:
		return BadRequest("OutOfBoundsAllocationPool", "The allocation pool %s-%s spans beyond the subnet cidr %s.", bad.Pool.Start, bad.Pool.End, bad.CIDR)
	}
	return Conflict("OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s, %s-%s for subnet %s.",
		bad.Pool.Start, bad.Pool.End, bad.Other.Start, bad.Other.End, bad.CIDR)
}
