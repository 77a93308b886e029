package client

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Error is a refusal of a request on keys.
type Error struct {
	Code    int    `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"` // usually the key
	Index   uint64 `json:"index"` // of the server

	Status int `json:"-"` // of the HTTP answer
}

func (e *Error) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", e.Code, e.Message, e.Cause, e.Index)
}

// Codes of an Error that programs look at.
const (
	CodeKeyNotFound       = 100
	CodeCompareFailed     = 101
	CodeNotAFile          = 102
	CodeNotADirectory     = 104
	CodeKeyExists         = 105
	CodeRootReadOnly      = 107
	CodeDirectoryNotEmpty = 108
	CodeUnauthorized      = 110
	CodeRaftInternal      = 300
	CodeWatcherCleared    = 400
	CodeEventIndexCleared = 401
)

// HasCode reports whether err is, or wraps, an Error with the code.
func HasCode(err error, code int) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// StatusError is a refusal of a request that is not on keys.
type StatusError struct {
	Status  int
	Message string // what the server says about it; may be empty

	terse bool // etcd's client does not pass the message on
}

func (e *StatusError) Error() string {
	if e.terse || e.Message == "" {
		return fmt.Sprintf("unexpected status code %d", e.Status)
	}
	return e.Message
}

// ClusterError says that none of the endpoints could be asked. Its Errors are
// those of the endpoints in the order they were tried.
type ClusterError struct {
	Errors []error
}

func (e *ClusterError) Error() string {
	var b strings.Builder
	b.WriteString("client: etcd cluster is unavailable or misconfigured")
	for i, err := range e.Errors {
		fmt.Fprintf(&b, "; error #%d: %s\n", i, err)
	}
	return b.String()
}

// Detail is one line for each endpoint.
func (e *ClusterError) Detail() string {
	var b strings.Builder
	for i, err := range e.Errors {
		fmt.Fprintf(&b, "error #%d: %s\n", i, err)
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As look at the errors of the endpoints.
func (e *ClusterError) Unwrap() []error { return e.Errors }

// HeaderTimeoutError says that an endpoint did not begin to answer in time.
type HeaderTimeoutError struct {
	Endpoint string
}

func (e *HeaderTimeoutError) Error() string {
	return fmt.Sprintf("client: endpoint %s exceeded header timeout", e.Endpoint)
}

// MemberError says that an endpoint answered with a status of 500 or more.
type MemberError struct {
	Endpoint string
	Status   int
	Refusal  *Error // what the member says about it; may be nil
}

func (e *MemberError) Error() string {
	switch e.Status {
	case http.StatusInternalServerError, http.StatusServiceUnavailable:
		return fmt.Sprintf("client: etcd member %s has no leader", e.Endpoint)
	}
	return fmt.Sprintf("client: etcd member %s returns server error [%s]", e.Endpoint, http.StatusText(e.Status))
}

// Unwrap is the refusal, if there is one.
func (e *MemberError) Unwrap() error {
	if e.Refusal == nil {
		return nil
	}
	return e.Refusal
}

// InvalidAnswerError says that what answered does not speak the dialect. It
// is ErrInvalidJSON to errors.Is.
type InvalidAnswerError struct {
	Status int // of the HTTP answer
}

func (e *InvalidAnswerError) Error() string        { return ErrInvalidJSON.Error() }
func (e *InvalidAnswerError) Is(target error) bool { return target == ErrInvalidJSON }

// TooLongError says that an answer is longer than Config.MaxBody.
type TooLongError struct {
	Limit int64
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("client: the answer is longer than %d bytes", e.Limit)
}

var (
	// ErrNoEndpoints says that there is nobody to ask.
	ErrNoEndpoints = errors.New("client: no endpoints available")

	// ErrInvalidJSON is what every InvalidAnswerError is. A key that ".." leads
	// out of the key space gets it too, without anybody being asked.
	ErrInvalidJSON = errors.New("client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint")

	// ErrEmptyBody says that a request on keys got a good answer with nothing in
	// it, as from a proxy that gives up a long poll.
	ErrEmptyBody = errors.New("client: response body is empty")

	// ErrTooManyRedirects says that an endpoint led nowhere.
	ErrTooManyRedirects = errors.New("client: too many redirects")

	errNoLocation = errors.New("client: redirect without a Location")
)

// Unreachable reports whether err means that no endpoint could be connected
// to, or that all of them broke the connection: nothing was heard from
// anybody.
func Unreachable(err error) bool {
	var cluster *ClusterError
	if errors.As(err, &cluster) {
		for _, one := range cluster.Errors {
			if !Unreachable(one) {
				return false
			}
		}
		return len(cluster.Errors) > 0
	}
	for inner, op := err, (*net.OpError)(nil); errors.As(inner, &op); inner = op.Err {
		if op.Op == "dial" || op.Op == "read" {
			return true
		}
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, syscall.ECONNREFUSED)
}
