package auth

import (
	"context"
	"slices"
	"sync"
	"time"

	"keytree/store"
)

const (
	// How many may wait in each lane. The slow one is short: who waits there
	// has just been wrong, and the oldest there is the last to get a turn.
	mostHashes = 64
	mostFast   = 1024
	mostSlow   = 256

	// rest is how much longer than work the pause after it is, in the slow lane.
	rest = 2

	// patience is how long anybody waits for a turn, the slow lane left out:
	// who was sent away there would come back before those who stayed.
	patience = 10 * time.Second
)

// errStopped is what the dialect says of a member that ends.
var errStopped error = &store.Error{Code: store.CodeRaft, Cause: "etcdserver: server stopped"}

// lane says who goes first: what administrators need, then who has not failed
// lately, then the rest.
type lane int

const (
	hashes lane = iota // of new passwords
	fast
	slow
)

// job is one run of bcrypt that waits in line, or is under way. All that ask
// the same at a time share a job.
type job struct {
	do   func(*job)    // called by a worker
	key  digest        // of a shared job; zero: not shared
	done chan struct{} // closed when the job was done, or will not be

	// What do found out. Read once done is closed.
	right bool
	hash  string
	err   error // the job was not done: errTurnedAway or errStopped

	// Under line.mu.
	lane    lane
	doubted func() bool // in the fast lane: who asked has failed meanwhile
	waiting int         // callers; without any the job leaves the line
	taken   bool        // by a worker
	over    bool        // done is closed
}

// line is where bcrypt's work waits for workers. Its methods may be called
// from any goroutine.
type line struct {
	workers int
	arrived chan struct{} // wakes a worker; as many as there are may be on the way

	mu      sync.Mutex
	lanes   [slow + 1][]*job // under mu, as all below
	shared  map[digest]*job
	second  bool // the newest but one was taken last
	stopped bool
}

func newLine(workers int) *line {
	return &line{workers: workers, arrived: make(chan struct{}, workers), shared: map[digest]*job{}}
}

// run works until ctx is done. All who wait then are told that it ended.
func (l *line) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range l.workers {
		wg.Go(func() { l.work(ctx) })
	}
	wg.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for i := range l.lanes {
		for _, j := range l.lanes[i] {
			l.end(j, errStopped)
		}
		l.lanes[i] = nil
	}
}

// work does one job after the other. After one of the slow lane it rests for
// rest times as long as that took before it does another of them: a third of a
// worker is the most that wrong passwords get.
//
// The next of the slow lane is chosen before the one who was wrong is told so,
// and has no time to come back as the newest.
func (l *line) work(ctx context.Context) {
	var chosen *job
	var rested time.Time // when chosen has its turn
	for ctx.Err() == nil {
		j := l.takeFirst()
		if j == nil && chosen == nil {
			chosen = l.takeNew()
		}
		if j == nil && chosen != nil && !time.Now().Before(rested) {
			j, chosen = chosen, nil
		}
		if j == nil {
			l.idle(ctx, chosen != nil, rested)
			continue
		}
		if l.abandoned(j) {
			continue
		}
		start := time.Now()
		j.do(j)
		if j.lane == slow {
			now := time.Now()
			chosen, rested = l.takeNew(), now.Add(rest*now.Sub(start))
		}
		l.finish(j, nil)
	}
	if chosen != nil {
		l.finish(chosen, errStopped)
	}
}

// idle waits for a new job, or until resting is over.
func (l *line) idle(ctx context.Context, resting bool, until time.Time) {
	var over <-chan time.Time
	if resting {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		over = t.C
	}
	select {
	case <-l.arrived:
	case <-over:
	case <-ctx.Done():
	}
}

// abandoned reports whether nobody waits for j any more, and ends it then.
func (l *line) abandoned(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.waiting > 0 {
		return false
	}
	l.end(j, nil)
	return true
}

// takeFirst takes the job whose turn it is, those of the slow lane left out.
func (l *line) takeFirst() *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, in := range []lane{hashes, fast} {
		for len(l.lanes[in]) > 0 {
			j := l.lanes[in][0]
			l.remove(j)
			if j.doubted == nil || !j.doubted() {
				j.taken = true
				return j
			}
			j.lane = slow
			l.makeRoom()
			l.lanes[slow] = slices.Insert(l.lanes[slow], 0, j)
		}
	}
	return nil
}

// takeNew takes one of the two newest jobs of the slow lane, in turns: whoever
// is wrong all the time is always in line, and who was wrong once should not
// wait for them. The newest alone would not do, since who comes when one of
// them comes back would stay behind for ever.
func (l *line) takeNew() *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.lanes[slow]
	if len(waiting) == 0 {
		return nil
	}
	at := len(waiting) - 1
	if l.second = !l.second; l.second && at > 0 {
		at--
	}
	j := waiting[at]
	l.remove(j)
	j.taken = true
	return j
}

// join asks for a job in a lane: for the one with key that is there, or for
// a new one that calls do. Doubted is asked when a job in the fast lane has
// its turn; if it says so the job goes to the slow one.
func (l *line) join(key digest, in lane, doubted func() bool, do func(*job)) (*job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return nil, errStopped
	}
	if j := l.shared[key]; j != nil && key != (digest{}) {
		j.waiting++
		if in < j.lane && !j.taken {
			l.remove(j)
			j.doubted = doubted
			l.add(j, in)
		}
		return j, nil
	}
	switch {
	case in == hashes && len(l.lanes[hashes]) >= mostHashes, in == fast && len(l.lanes[fast]) >= mostFast:
		return nil, ErrBusy
	case in == slow:
		l.makeRoom()
	}
	j := &job{do: do, key: key, done: make(chan struct{}), doubted: doubted, waiting: 1}
	if key != (digest{}) {
		l.shared[key] = j
	}
	l.add(j, in)
	return j, nil
}

// makeRoom turns the oldest of the slow lane away if there is no room for
// another. l.mu must be held.
func (l *line) makeRoom() {
	if waiting := l.lanes[slow]; len(waiting) >= mostSlow {
		oldest := waiting[0]
		l.remove(oldest)
		l.end(oldest, errTurnedAway)
	}
}

// add puts j at the end of a lane. l.mu must be held.
func (l *line) add(j *job, in lane) {
	j.lane = in
	l.lanes[in] = append(l.lanes[in], j)
	select {
	case l.arrived <- struct{}{}:
	default: // every worker is going to look
	}
}

// remove takes j out of its lane. l.mu must be held.
func (l *line) remove(j *job) {
	waiting := l.lanes[j.lane]
	at := slices.Index(waiting, j)
	l.lanes[j.lane] = slices.Delete(waiting, at, at+1)
}

// end tells everybody who waits for j. l.mu must be held.
func (l *line) end(j *job, err error) {
	if l.shared[j.key] == j {
		delete(l.shared, j.key)
	}
	j.err = err
	j.over = true
	close(j.done)
}

// finish ends a job that was taken.
func (l *line) finish(j *job, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end(j, err)
}

// await returns once j is done, or the caller has waited long enough or has
// gone: then the caller leaves the line.
func (l *line) await(ctx context.Context, j *job) error {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		select {
		case <-j.done:
			return j.err
		case <-enough.C:
			if l.leave(j, true) {
				return ErrBusy
			}
		case <-ctx.Done():
			l.leave(j, false)
			return context.Cause(ctx)
		}
	}
}

// leave takes a caller out of the line, or reports false: who may stay in the
// slow lane does, and who asked for a job that is under way.
func (l *line) leave(j *job, mayStay bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mayStay && (j.lane == slow || j.taken) {
		return false
	}
	j.waiting--
	if j.waiting == 0 && !j.taken && !j.over {
		l.remove(j)
		delete(l.shared, j.key)
	}
	return true
}

// length is how many jobs wait.
func (l *line) length() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, waiting := range l.lanes {
		n += len(waiting)
	}
	return n
}
