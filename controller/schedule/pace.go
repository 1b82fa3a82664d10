package schedule

import "time"

// pace bounds how many moves there are in a second, and how many at once.
type pace struct {
	perSecond float64
	saved     float64 // moves that are free now, at most those of one second
	at        time.Time
}

func newPace(perSecond int, now time.Time) *pace {
	return &pace{perSecond: float64(perSecond), saved: float64(perSecond), at: now}
}

// may reports whether a move is free.
func (p *pace) may(now time.Time) bool {
	p.saved = min(p.perSecond, p.saved+now.Sub(p.at).Seconds()*p.perSecond)
	p.at = now
	return p.saved >= 1
}

// spend counts a move.
func (p *pace) spend() { p.saved-- }

// wait is how long it takes until a move is free.
func (p *pace) wait() time.Duration { return time.Duration(float64(time.Second) / p.perSecond) }
