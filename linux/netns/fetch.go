package netns

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotMade is that a link has not appeared in time.
var ErrNotMade = errors.New("nobody has made it")

// fetchPause is between two looks for a link.
const fetchPause = 3 * time.Millisecond

// FetchLink gets a link from one namespace into another, once somebody has made
// it: Open vSwitch makes its internal ports where ovs-vswitchd runs. One of that
// name that is in the other namespace still, from before the switch was started
// again, is replaced. It reports whether it moved anything, and gives ErrNotMade
// when the link is in neither for as long as patience.
func FetchLink(ctx context.Context, link, from, to string, patience time.Duration) (moved bool, err error) {
	for deadline := time.Now().Add(patience); ; {
		inside, err := HasLink(to, link)
		if err != nil {
			return false, err
		}
		outside, err := HasLink(from, link)
		switch {
		case err != nil:
			return false, err
		case outside:
			if inside {
				if err := DeleteLink(to, link); err != nil {
					return false, err
				}
			}
			return true, MoveLink(link, from, to)
		case inside:
			return false, nil
		case time.Now().After(deadline):
			return false, fmt.Errorf("link %s: %w after %s", link, ErrNotMade, patience)
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("wait for link %s: %w", link, ctx.Err())
		case <-time.After(fetchPause):
		}
	}
}
