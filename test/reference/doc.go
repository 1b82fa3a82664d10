// Package reference writes docs/configuration.md from the programs' code: the
// keys and defaults from their values, what they mean from the comments of
// their fields. Its test fails when the page is not as the code is.
package reference
