package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"keytree/raftlog/member"
	"keytree/store"
)

// addMember answers POST /v2/members, whatever comes after it in the path.
func (a *API) addMember(r *http.Request) (reply, error) {
	answer := reply{content: contentJSON, cluster: true}
	urls, err := readPeerURLs(r)
	if err != nil {
		return answer, err
	}
	added, err := a.changeMember(r, member.Change{Op: member.Add, PeerURLs: urls})
	if err != nil {
		return answer, err
	}
	answer.status = http.StatusCreated
	answer.made = added.ID.String()
	answer.body = append(appendMember(nil, added), '\n')
	return answer, nil
}

// updateMember answers PUT /v2/members/ID. The ID is looked at before the
// body.
func (a *API) updateMember(r *http.Request) (reply, error) {
	answer := reply{cluster: true}
	if isNameless(r) {
		return namelessMember, nil
	}
	id, err := memberID(r)
	if err != nil {
		return answer, err
	}
	urls, err := readPeerURLs(r)
	if err != nil {
		return answer, err
	}
	answer.status = http.StatusNoContent
	_, err = a.changeMember(r, member.Change{Op: member.Update, ID: id, PeerURLs: urls})
	return answer, err
}

// removeMember answers DELETE /v2/members/ID. A body is not looked at.
func (a *API) removeMember(r *http.Request) (reply, error) {
	if isNameless(r) {
		return namelessMember, nil
	}
	answer := reply{cluster: true, status: http.StatusNoContent}
	id, err := memberID(r)
	if err != nil {
		return answer, err
	}
	_, err = a.changeMember(r, member.Change{Op: member.Remove, ID: id})
	return answer, err
}

// namelessMember answers who wants to change a member and does not say which:
// unlike elsewhere, no methods that are allowed are named.
var namelessMember = reply{
	status:  http.StatusMethodNotAllowed,
	content: []string{"text/plain; charset=utf-8"},
	nosniff: true,
	cluster: true,
	body:    []byte("Method Not Allowed\n"),
}

func isNameless(r *http.Request) bool { return chi.URLParam(r, "*") == "" }

// memberID is the ID in the path of r.
func memberID(r *http.Request) (member.ID, error) {
	raw := chi.URLParam(r, "*")
	id, err := member.ParseID(raw)
	if err != nil {
		return 0, &problem{http.StatusNotFound, "No such member: " + raw}
	}
	return id, nil
}

// readPeerURLs takes the peer URLs out of the body of r.
func readPeerURLs(r *http.Request) ([]string, error) {
	kind := r.Header.Get("Content-Type")
	if name, _, more := strings.Cut(kind, ";"); more {
		kind = strings.TrimSpace(strings.ToLower(name)) // only then: recorded
	}
	if kind != contentJSON[0] {
		return nil, &problem{http.StatusUnsupportedMediaType, fmt.Sprintf("Bad Content-Type %s, accept application/json", kind)}
	}
	badRequest := func(err error) error { return &problem{http.StatusBadRequest, err.Error()} }
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMember+1))
	if err != nil {
		return nil, badRequest(err)
	}
	if len(body) > maxMember {
		return nil, badRequest(fmt.Errorf("the body is longer than %d bytes", maxMember))
	}
	// The decoder's complaints are answers of the dialect, and they spell out
	// the type: it has no name, one field and this tag.
	var wish struct {
		PeerURLs []string `json:"peerURLs"`
	}
	if err := json.Unmarshal(body, &wish); err != nil {
		return nil, badRequest(err)
	}
	urls, err := member.ParseURLs(wish.PeerURLs)
	if err != nil {
		return nil, badRequest(err)
	}
	return urls, nil
}

// changeMember has the cluster carry out c. What it does not do for a reason
// that the dialect has no words for is a 500, and the reason is in the log.
func (a *API) changeMember(r *http.Request, c member.Change) (member.Member, error) {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	m, err := a.Cluster.ChangeMember(ctx, c)
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, member.ErrPeerURLExists):
		return m, &problem{http.StatusConflict, member.ErrPeerURLExists.Error()}
	case errors.Is(err, member.ErrIDExists):
		return m, &problem{http.StatusConflict, member.ErrIDExists.Error()}
	case errors.Is(err, member.ErrNotFound):
		return m, &problem{http.StatusNotFound, fmt.Sprintf("No such member: %v", c.ID)}
	case errors.Is(err, member.ErrRemoved) && c.Op == member.Remove:
		return m, &problem{http.StatusGone, fmt.Sprintf("Member permanently removed: %v", c.ID)}
	case r.Context().Err() != nil:
		return m, err // nobody left to answer
	}
	a.Logger.Error(complaint(c, err))
	return m, &problem{http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError)}
}

// complaint says why c was not carried out, in the words operators look for.
func complaint(c member.Change, err error) string {
	reason := err.Error()
	var refusal *store.Error
	switch {
	case errors.As(err, &refusal):
		reason = refusal.Cause
	case errors.Is(err, context.DeadlineExceeded):
		reason = timedOut
	}
	switch c.Op {
	case member.Add:
		return fmt.Sprintf("error adding member %v (%s)", c.PeerURLs, reason)
	case member.Update:
		return fmt.Sprintf("error updating member %v (%s)", c.ID, reason)
	}
	return fmt.Sprintf("error removing member %v (%s)", c.ID, reason)
}
