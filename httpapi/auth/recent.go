package auth

import "sync"

// recent is a map that forgets what has not been asked for longest: it keeps
// at least half of limit entries and at most limit. Its methods may be called
// from any goroutine.
type recent[K comparable, V any] struct {
	limit int

	mu sync.RWMutex
	// Under mu. When new is half of the limit it becomes old, and old goes.
	new, old map[K]V
}

func newRecent[K comparable, V any](limit int) *recent[K, V] {
	return &recent[K, V]{limit: limit, new: map[K]V{}}
}

func (r *recent[K, V]) get(k K) (V, bool) {
	r.mu.RLock()
	v, found := r.new[k]
	if found {
		r.mu.RUnlock()
		return v, true
	}
	v, found = r.old[k]
	r.mu.RUnlock()
	if found {
		r.put(k, v)
	}
	return v, found
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.old, k)
	if _, found := r.new[k]; !found && len(r.new) >= r.limit/2 {
		r.old, r.new = r.new, make(map[K]V)
	}
	r.new[k] = v
}

func (r *recent[K, V]) forget(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.new, k)
	delete(r.old, k)
}

func (r *recent[K, V]) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.new) + len(r.old)
}
