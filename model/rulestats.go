package model

import "time"

// RuleCounter is what the switch of a host has counted of a security group rule
// since the host's agent began to count.
type RuleCounter struct {
	// Rule is the rule's id.
	Rule    string `json:"rule"`
	Packets uint64 `json:"packets"`
	// Bytes are those of whole frames, headers included.
	Bytes uint64 `json:"bytes"`
	// ReadAt is when the switch was read, by the host's clock.
	ReadAt time.Time `json:"read_at"`
}

// RuleStats are the counters of one host: the record that carries them to all
// controllers.
type RuleStats struct {
	Host string `json:"host"`
	// Counters are sorted by rule. Rules that have admitted nothing may be missing.
	Counters []RuleCounter `json:"counters"`
}
