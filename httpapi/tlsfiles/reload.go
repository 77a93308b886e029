package tlsfiles

import (
	"context"
	"strings"
	"time"
)

// reminder is how often what is unusual about the files is told again.
const reminder = 24 * time.Hour

// Run looks at the files until ctx is done, and has connections made from then
// on use what they say. Files that were replaced are looked at twice, a moment
// apart, so that half of a change is never used. Run is called once.
func (f *Files) Run(ctx context.Context) error {
	w := &watch{files: f, reminded: time.Now()}
	next := time.NewTimer(f.config.Interval)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
			next.Reset(w.look())
		}
	}
}

// watch is what Run remembers from one look to the next.
type watch struct {
	files    *Files
	seen     *contents // a change that was seen at the last look
	broken   *contents // a change that could not be used, and was told of
	reminded time.Time
}

// look reads the files, and uses what they say when it is new and settled. It
// returns how long to wait until the next look.
func (w *watch) look() time.Duration {
	f := w.files
	current := f.now.Load()
	if now := time.Now(); now.Sub(w.reminded) >= reminder {
		w.reminded = now
		f.warn(current, now)
	}
	read := f.config.read()
	changed := read.differences(&current.contents)
	switch {
	case len(changed) == 0:
		if w.broken != nil {
			f.logger.Info("the TLS files are again as they were")
		}
		w.seen, w.broken = nil, nil
	case w.broken != nil && len(read.differences(w.broken)) == 0:
		w.seen = nil
	case w.seen == nil || len(read.differences(w.seen)) > 0:
		w.seen = &read
		return f.config.Interval / 10
	default:
		w.seen = nil
		w.use(read, changed)
	}
	return f.config.Interval
}

// use makes sense of what was read and puts it in place, or tells why not.
func (w *watch) use(read contents, changed []string) {
	f := w.files
	names := strings.Join(changed, ", ")
	s, err := load(&f.config, read)
	if err != nil {
		w.broken = &read
		f.logger.Error("TLS files have changed and cannot be used: going on with what they said before", "changed", names, "error", err)
		return
	}
	w.broken = nil
	f.now.Store(s)
	w.reminded = time.Now()
	attrs := []any{"changed", names}
	if s.own != nil {
		attrs = append(attrs, "subject", s.own.Leaf.Subject.String(), "hosts", limit(hosts(s.own.Leaf)), "expires", date(s.own.Leaf.NotAfter))
	}
	f.logger.Info("TLS files have changed: new connections use them", attrs...)
	f.warn(s, w.reminded)
}
