// Package reference writes docs/configuration.md from the programs' code: the
// keys and defaults from their values, what they mean from the comments of
// their fields; and docs/metrics.md from where metrics are made. Its tests fail
// when a page is not as the code is.
package reference
