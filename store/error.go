package store

import "fmt"

// Code is a refusal's number in the v2 dialect. Codes cross the wire and lie
// in logs: they are never renumbered.
type Code int

const (
	CodeKeyNotFound      Code = 100
	CodeCompareFailed    Code = 101
	CodeNotFile          Code = 102
	CodeNotDir           Code = 104
	CodeKeyExists        Code = 105
	CodeRootReadOnly     Code = 107
	CodeDirNotEmpty      Code = 108
	CodeUnauthorized     Code = 110
	CodePrevValueMissing Code = 201
	CodeTTLNaN           Code = 202
	CodeIndexNaN         Code = 203
	CodeInvalidField     Code = 209
	CodeInvalidForm      Code = 210
	CodeRefreshValue     Code = 211
	CodeRefreshTTL       Code = 212
	CodeRaft             Code = 300
	CodeQuota            Code = 302 // Keytree's own: the dialect has no word for it
	CodeHistoryCleared   Code = 401
)

// Error is a refusal: what was asked could not be done, and nothing changed.
// A refused command is deterministic, every member refuses it alike.
type Error struct {
	Code  Code
	Cause string // usually the path that stood in the way; may be empty
	Index Index  // the store's index when it refused
}

func (e *Error) Error() string {
	return fmt.Sprintf("refused with %d (%s) [%d]", e.Code, e.Cause, e.Index)
}
