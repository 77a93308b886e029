//go:build !unix

package proxy

// syncDir does nothing: this system looks after the names in its directories
// itself, and takes no requests for them.
func syncDir(string) error { return nil }
