//go:build race

package pipeline

// slowdown is what the race detector costs at most.
const slowdown = 20
