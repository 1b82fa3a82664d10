package rpc

import (
	"errors"
	"fmt"
)

// ErrOrder is wrapped by the errors of Order.Check.
var ErrOrder = errors.New("messages are missing, doubled or out of order")

// Order numbers the messages of one direction of a stream, at the end that sends
// them, or checks the numbers, at the other. Differences of records only make
// sense one after the other, each once. The zero value is ready.
type Order struct{ last uint64 }

// Next gives the number of the next message to send.
func (o *Order) Next() uint64 {
	o.last++
	return o.last
}

// Check takes the number of a message that has arrived. After an error the
// stream is of no more use. Senders of before numbers have 0 in all of theirs.
func (o *Order) Check(number uint64) error {
	if number == 0 && o.last == 0 {
		return nil
	}
	if number != o.last+1 {
		return fmt.Errorf("%w: message %d comes after %d", ErrOrder, number, o.last)
	}
	o.last = number
	return nil
}
