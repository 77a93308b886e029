package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

// stream is an answer with event after event, one line for each.
type stream struct {
	header http.Header
	body   io.ReadCloser
	lines  *bufio.Reader
	limit  int64 // of a line, in bytes
	cancel context.CancelFunc
}

// open opens a stream of events from w.next on. It is nil where streams
// cannot be relied on.
func (w *Watcher) open(ctx context.Context) (*stream, error) {
	v, err := w.client.Version(ctx)
	var cluster *ClusterError
	if errors.As(err, &cluster) || err != nil && over(ctx) != nil {
		return nil, err
	}
	if v.Keytree == "" {
		return nil, nil // also when something does not even know the question
	}
	// The stream outlives this call of Next and its context.
	live, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, cancel)
	r := w.request()
	r.stream = true
	r.query.Set("stream", "true")
	a, err := w.client.ask(live, r)
	if !release() && err == nil {
		err = ctx.Err()
		if a.live != nil {
			_ = a.live.Close() // it is not read
		}
	}
	if err == nil && a.live == nil {
		err = a.refusal()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return &stream{
		header: a.header,
		body:   a.live,
		lines:  bufio.NewReader(a.live),
		limit:  w.client.config.MaxBody,
		cancel: cancel,
	}, nil
}

// receive waits for the next event. After an error the stream is of no more
// use.
func (s *stream) receive(ctx context.Context) (*Response, error) {
	defer context.AfterFunc(ctx, s.cancel)()
	for {
		line, err := s.line()
		switch {
		case err == io.EOF:
			return nil, errEnded
		case err != nil:
			var long *TooLongError
			if errors.As(err, &long) {
				return nil, err
			}
			return nil, &ClusterError{Errors: []error{err}}
		case len(bytes.TrimSpace(line)) == 0:
			continue // a sign of life
		}
		event, err := parseResponse(http.StatusOK, s.header, line)
		if err == nil && event.Node == nil {
			err = &InvalidAnswerError{Status: http.StatusOK}
		}
		return event, err
	}
}

// line is the next whole line. One that the end cuts short is none: what it
// was about is asked for again.
func (s *stream) line() ([]byte, error) {
	var line []byte
	for {
		piece, err := s.lines.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case int64(len(line)) > s.limit:
			return nil, &TooLongError{Limit: s.limit}
		case err == nil:
			return line, nil
		case err == io.EOF && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

func (s *stream) close() {
	s.cancel()
	_ = s.body.Close() // it is not read any more
}
