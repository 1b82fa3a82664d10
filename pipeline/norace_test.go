//go:build !race

package pipeline

const slowdown = 1
