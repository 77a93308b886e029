// Package audit is the journal of who asked a member for what, and what came
// of it: one line of JSON for each request, appended to a file.
//
// A record tells names - of users, keys, members - and never a value or a
// password. The package knows no HTTP and imports nothing but the standard
// library.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Outcome is what came of a request.
type Outcome string

const (
	Done    Outcome = "done"
	Denied  Outcome = "denied"  // because of who sent it, or from where
	Refused Outcome = "refused" // for what it asks; nothing changed
	Failed  Outcome = "failed"  // what was to be read could not be, or not to the end
	Unknown Outcome = "unknown" // the change may have been made, or still be: no answer came in time, or nobody waited for it
)

// Proof is how a client tells who it is.
type Proof string

const (
	None        Proof = "none"
	Basic       Proof = "basic" // a name and a password
	Certificate Proof = "certificate"
)

// Record is one request. Its line has these fields, in this order; those
// marked ? are left out when there is nothing to tell.
//
//	time         when the request came, UTC, as in RFC 3339
//	client       address and port it came from; of a unix socket, whatever that calls it
//	forwarded?   X-Forwarded-For: where a proxy says it came from, which anybody can claim
//	user         who asks: the user that was verified, or was claimed and refused; "" is a guest
//	by           how user was told: basic, certificate or none
//	certificate? common name of the client's verified certificate, whether or not it names a user
//	method       of HTTP
//	path         as it was sent, without the query
//	kind?        what it is about: key, member, user, role, auth (the switch), log (the level), token (of discovery), txn (a transaction)
//	name?        which one: a key's path, a member's ID, a user's name
//	parameters?  see Parameters
//	operations?  of a transaction: [{"action","key","parameters"?},...]
//	outcome      done, denied, refused, failed or unknown
//	status?      of HTTP; there is none when the connection was cut before an answer
//	code?        errorCode of the dialect
//	index?       X-Etcd-Index of a change that was made
//	duration_us  microseconds from time until the answer; of a watch, until it began
//
// Texts are cut off at a limit, and then end in a mark that tells how long
// they were. Bytes that are no UTF-8 become U+FFFD; path has them escaped. A
// reader must not mind further fields, whose place may be anywhere.
type Record struct {
	Time        time.Time
	Client      string
	Forwarded   string
	User        string
	By          Proof
	Certificate string
	Method      string
	Path        string
	Kind, Name  string
	Parameters  *Parameters
	Operations  []Operation
	Outcome     Outcome
	Status      int
	Code        int
	Index       uint64
	Duration    time.Duration
}

// Operation is a part of a transaction.
type Operation struct {
	Action     string      `json:"action"`
	Key        string      `json:"key"`
	Parameters *Parameters `json:"parameters,omitempty"`
}

// Parameters are those of a request on a key, as far as they say what is to
// happen. Of the value that is compared with, the line tells only that there
// was one.
type Parameters struct {
	Dir        bool    `json:"dir,omitempty"`
	Recursive  bool    `json:"recursive,omitempty"`
	TTL        *uint64 `json:"ttl,omitempty"` // seconds
	PrevExist  *bool   `json:"prevExist,omitempty"`
	PrevIndex  uint64  `json:"prevIndex,omitempty"`
	PrevValued bool    `json:"prevValueGiven,omitempty"`
	Refresh    bool    `json:"refresh,omitempty"`
	Quorum     bool    `json:"quorum,omitempty"`
	Wait       bool    `json:"wait,omitempty"`
	Stream     bool    `json:"stream,omitempty"`
	WaitIndex  uint64  `json:"waitIndex,omitempty"`
}

// Limits on the texts of a record, in bytes.
const (
	maxPath      = 4096
	maxName      = 4096
	maxKey       = 1024 // of each operation of a transaction, of which there are many
	maxUser      = 1024
	maxForwarded = 256
	maxShort     = 64 // of what is short, unless somebody plays games
)

// line is a Record as it is written.
type line struct {
	Time        time.Time   `json:"time"`
	Client      string      `json:"client"`
	Forwarded   string      `json:"forwarded,omitempty"`
	User        string      `json:"user"`
	By          Proof       `json:"by"`
	Certificate string      `json:"certificate,omitempty"`
	Method      string      `json:"method"`
	Path        string      `json:"path"`
	Kind        string      `json:"kind,omitempty"`
	Name        string      `json:"name,omitempty"`
	Parameters  *Parameters `json:"parameters,omitempty"`
	Operations  []Operation `json:"operations,omitempty"`
	Outcome     Outcome     `json:"outcome"`
	Status      int         `json:"status,omitempty"`
	Code        int         `json:"code,omitempty"`
	Index       uint64      `json:"index,omitempty"`
	Micros      int64       `json:"duration_us"`
}

// AppendLine appends the line of r, with its end, to b.
func (r *Record) AppendLine(b []byte) ([]byte, error) {
	operations := slices.Clone(r.Operations)
	for i := range operations {
		operations[i].Key = clip(operations[i].Key, maxKey)
	}
	out := bytes.NewBuffer(b)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	err := e.Encode(&line{
		Time:        r.Time.UTC(),
		Client:      clip(r.Client, maxName), // a unix socket's is a path
		Forwarded:   clip(r.Forwarded, maxForwarded),
		User:        clip(r.User, maxUser),
		By:          r.By,
		Certificate: clip(r.Certificate, maxUser),
		Method:      clip(r.Method, maxShort),
		Path:        clip(r.Path, maxPath),
		Kind:        r.Kind,
		Name:        clip(r.Name, maxName),
		Parameters:  r.Parameters,
		Operations:  operations,
		Outcome:     r.Outcome,
		Status:      r.Status,
		Code:        r.Code,
		Index:       r.Index,
		Micros:      r.Duration.Microseconds(),
	})
	if err != nil {
		return b, fmt.Errorf("write a record: %w", err)
	}
	return out.Bytes(), nil
}

// clip is s, or its first most bytes and how many there were. It does not cut
// a letter in two.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s...(%d bytes)", strings.Clone(s[:end]), len(s))
}
