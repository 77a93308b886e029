package main

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// live gives a key a lifetime, anew if it has one.
func (w *worker) live(ctx context.Context, key string) error {
	ttl := 1 + w.rnd.IntN(5)
	value := w.value()
	sent := time.Now()
	_, err := w.session.do(ctx, "PUT", key, url.Values{"value": {value}, "ttl": {strconv.Itoa(ttl)}})
	w.log.count(err)
	last := time.Duration(ttl) * time.Second
	l := life{value: value, due: sent.Add(last), end: time.Now().Add(last + slack)}
	if err != nil {
		w.haunt(key, value)
	}
	if w.haunted(key) { // it may not have begun, or end with another's lifetime
		l.due, l.end = sent, time.Now().Add(ghostTime+last+slack)
	}
	w.lives[key] = l
	return err
}

// outlive looks whether a key is there while it lives, and gone afterwards.
func (w *worker) outlive(ctx context.Context, key string) error {
	l, given := w.lives[key]
	if !given {
		return nil
	}
	asked := time.Now()
	r, err := w.session.do(ctx, "GET", key, nil)
	w.log.count(err)
	if err != nil {
		return err
	}
	switch there := r.Node != nil; {
	case !there && time.Now().Before(l.due):
		w.log.fault("%s is gone %v before its time", key, time.Until(l.due))
	case there && asked.After(l.end):
		w.log.fault("%s is there %v after its time", key, asked.Sub(l.due))
	case there && r.Node.Value != l.value && time.Now().Before(l.due):
		w.log.fault("%s is not as it was written", key)
	}
	if time.Now().After(l.end) {
		delete(w.lives, key)
	}
	return nil
}
