package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"keytree/store/compaction"
)

// An engine is Pebble's way to tell us things. Pebble goes on trying when the
// disk does not take its writes, and expects the process to end when it cannot
// go on; here the first such news is kept, and whoever owns the store is told.
type engine struct {
	log    *slog.Logger
	dir    string
	once   sync.Once
	failed chan struct{}
	err    error // set before failed is closed
	stalls compaction.Stalls
}

func newEngine(dir string, log *slog.Logger) *engine {
	return &engine{log: log, dir: dir, failed: make(chan struct{})}
}

// Damage says that what lies on disk is not what was written.
type Damage struct {
	Dir string
	Err error
}

func (d *Damage) Error() string { return fmt.Sprintf("the tree in %s is damaged: %v", d.Dir, d.Err) }

func (d *Damage) Unwrap() error { return d.Err }

func (e *engine) fail(err error) {
	e.once.Do(func() {
		var known *Damage
		if pebble.IsCorruptionError(err) && !errors.As(err, &known) {
			err = &Damage{e.dir, err}
		}
		e.err = err
		close(e.failed)
	})
}

// failure is what the engine failed of, or nil.
func (e *engine) failure() error {
	select {
	case <-e.failed:
		return e.err
	default:
		return nil
	}
}

// listener hears of what goes on behind the calls.
func (e *engine) listener() *pebble.EventListener {
	l := &pebble.EventListener{
		BackgroundError: func(err error) {
			if !errors.Is(err, pebble.ErrCancelledCompaction) && !errors.Is(err, pebble.ErrClosed) {
				e.fail(fmt.Errorf("write the tree in %s: %w", e.dir, err))
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) { e.fail(&Damage{e.dir, info.Details}) },
	}
	e.stalls.Observe(l)
	return l
}

// Infof implements pebble.Logger.
func (e *engine) Infof(format string, args ...any) {
	if e.log.Enabled(context.Background(), slog.LevelDebug) {
		e.log.Debug(fmt.Sprintf(format, args...))
	}
}

// Errorf implements pebble.Logger. After a failure there is nothing new to say.
func (e *engine) Errorf(format string, args ...any) {
	if e.failure() == nil {
		e.log.Error(fmt.Sprintf(format, args...))
	}
}

// Fatalf implements pebble.Logger.
func (e *engine) Fatalf(format string, args ...any) {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			e.fail(fmt.Errorf("the tree in %s cannot go on: %w", e.dir, err))
			return
		}
	}
	e.fail(fmt.Errorf("the tree in %s cannot go on: "+format, append([]any{e.dir}, args...)...))
}

// Failed is closed when the disk has failed, or holds what was never written
// to it, in a way the store cannot go on from. Nothing that was applied and
// flushed before is lost by it. The store is of no use afterwards, and Close
// may not return.
func (s *Store) Failed() <-chan struct{} { return s.engine.failed }

// Failure is why Failed is closed, or nil: a *Damage, or what the disk said.
func (s *Store) Failure() error { return s.engine.failure() }
