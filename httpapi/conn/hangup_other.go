//go:build !linux

package conn

// hangups would notice that clients go away; here each connection looks for
// itself.
type hangups struct{}

func (*hangups) watch(*conn) bool { return false }
func (*hangups) forget(*conn)     {}
func (*hangups) stop()            {}
