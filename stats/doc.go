// Package stats holds the one set of counters of a running member.
//
// Whoever does something counts it here; the /v2/stats answers and the
// /metrics page are two renderings of the same numbers. Nothing here is
// global: a member makes its own set with New and registers it where it likes.
//
// All methods may be called from any number of goroutines.
package stats
