package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"keytree/raftlog/member"
)

const (
	// An answer that was gathered is good for so long: however many consoles
	// look, the members are asked that often at most.
	gatheredFor = 500 * time.Millisecond

	// How long a member's status may be.
	maxStatus = 1 << 20
)

// memberStatus is what a member says of itself, or why it does not.
type memberStatus struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Status json.RawMessage `json:"status"` // nil: null
	Error  string          `json:"error,omitempty"`
}

// gathering has one answer of all members gathered at a time, and shares it.
type gathering struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		busy chan struct{} // closed when the one under way is done; nil: there is none
		last []memberStatus
		at   time.Time
	}
}

// share returns what gather has gathered lately, or has it do so now. It does
// not wait longer than ctx for what others have begun.
func (g *gathering) share(ctx context.Context, gather func(context.Context) []memberStatus) ([]memberStatus, error) {
	for {
		g.mu.Lock()
		if g.mu.last != nil && time.Since(g.mu.at) < gatheredFor {
			defer g.mu.Unlock()
			return g.mu.last, nil
		}
		busy := g.mu.busy
		if busy == nil {
			busy = make(chan struct{})
			g.mu.busy = busy
			g.mu.Unlock()
			return g.renew(ctx, busy, gather), nil
		}
		g.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// renew gathers, also for those who wait for busy: whoever asked first may
// leave.
func (g *gathering) renew(ctx context.Context, busy chan struct{}, gather func(context.Context) []memberStatus) []memberStatus {
	all := gather(context.WithoutCancel(ctx))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.last, g.mu.at, g.mu.busy = all, time.Now(), nil
	close(busy)
	return all
}

// gather asks all members at the same time. None of them gets more than a
// second.
func (a *API) gather(ctx context.Context) []memberStatus {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	members := a.Cluster.Members()
	all := make([]memberStatus, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		all[i] = memberStatus{ID: m.ID.String(), Name: m.Name}
		asking.Go(func() {
			text, err := a.statusOf(ctx, m)
			switch {
			case errors.Is(err, context.DeadlineExceeded):
				all[i].Error = fmt.Sprintf("it did not answer within %v", patience)
			case err != nil:
				all[i].Error = err.Error()
			default:
				all[i].Status = text
			}
		})
	}
	asking.Wait()
	return all
}

// statusOf is what m says of itself, at the first of its peer URLs where it can
// be asked.
func (a *API) statusOf(ctx context.Context, m member.Member) (json.RawMessage, error) {
	if m.ID == a.Cluster.Self() {
		s, err := a.ownStatus(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(s)
	}
	err := errors.New("it has no peer URL")
	for _, url := range m.PeerURLs {
		var text json.RawMessage
		if text, err = a.askStatus(ctx, url, m.ID); err == nil {
			return text, nil
		}
	}
	return nil, err
}

func (a *API) askStatus(ctx context.Context, peerURL string, id member.ID) (json.RawMessage, error) {
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(peerURL, "/")+statusPath, nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.PeerClient.Do(question)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", question.URL, answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxStatus+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", question.URL, err)
	}
	if len(text) > maxStatus {
		return nil, fmt.Errorf("%s answered more than %d bytes", question.URL, maxStatus)
	}
	var said struct{ Member struct{ ID string } }
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, fmt.Errorf("%s answered with something else than expected: %w", question.URL, err)
	}
	if said.Member.ID != id.String() {
		return nil, fmt.Errorf("%s is that of another member, %.20q", question.URL, said.Member.ID)
	}
	return text, nil
}
