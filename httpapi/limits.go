package httpapi

import (
	"net/http"
	"time"
)

// What one request may cost. The dialect itself knows the first limit only;
// the others keep memory and patience bounded whatever a client does.
const (
	// A form may be this long, its parameter names included, unless
	// Config.MaxRequestBytes says otherwise.
	maxForm = 10 << 20

	// A key's path may be this long and have this many elements. The tree
	// stores whole paths, answers repeat them for each node, and every
	// missing parent becomes a directory of its own: without these limits one
	// header of a megabyte would make half a million directories of up to a
	// megabyte of key each.
	maxKeyBytes = 16384
	maxKeyDepth = 512

	// What is said about a member may be this long. Every member keeps it, and
	// every listing repeats it.
	maxMember = 64 << 10

	// A body may be this long before anybody is asked for permission.
	freeBody = 64 << 10

	// A body must arrive within this time.
	bodyTime = 60 * time.Second

	// An answer is sent in pieces of about this size, and a client must take
	// each of them within this time. Smaller answers go out in one write.
	pieceBytes = 64 << 10
	pieceTime  = 30 * time.Second

	// How much of a listing goes out before others may use the processor; a
	// multiple of pieceBytes.
	yieldBytes = 4 * pieceBytes

	// A listing is long once this much of it is out. It has by then had a
	// processor to itself for a millisecond or so.
	longListing = 1 << 20

	// So many requests may be under way on one HTTP/2 connection. A client with
	// many watches has all of them on one.
	maxStreams = 1000

	// A buffer that grew beyond this is not kept for the next request.
	keptBuffer = 128 << 10
)

// The range of Config.MaxRequestBytes. The log takes commands of up to 32 MiB,
// and a body is not all there is to one: a query of up to a megabyte can bring
// a value to compare with, and the path comes to it. An event holds the value
// before as well, and the stream of a snapshot takes records of up to 64 MiB.
const (
	MinRequestBytes      = 1 << 10
	MaxRequestBytesBound = 30 << 20
)

// limitBodyTime makes reads of a request's body fail once bodyTime is over.
// The server itself lifts the limit before the next request.
func limitBodyTime(w http.ResponseWriter) {
	// A transport without deadlines (a test's recorder) has no slow clients.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
}

// liftBodyTime ends the effect of limitBodyTime: the body is there, and the
// server listens for the client's going away, which may be hours from now.
func liftBodyTime(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // as above
}

// send writes the body of an answer. Each piece of a long one must be taken
// within pieceTime; the deadline of the last stays until the server sets that
// of the next request. An error means that the client is gone.
func send(w http.ResponseWriter, body []byte) error {
	if len(body) <= pieceBytes {
		_, err := w.Write(body)
		return err
	}
	for len(body) > 0 {
		n := min(len(body), pieceBytes)
		if err := sendPiece(w, body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func sendPiece(w http.ResponseWriter, piece []byte) error {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pieceTime)) // as above
	_, err := w.Write(piece)
	return err
}
