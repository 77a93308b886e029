package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"keytree/scripts/process"
)

// changeTime is how long a membership change may be refused for its moment:
// the members must have been connected for five seconds.
const changeTime = 30 * time.Second

// change asks members in turn for a membership change until one has the
// status wanted.
func (c *cluster) change(ctx context.Context, q process.Request, want ...int) (*process.Answer, error) {
	ctx, stop := context.WithTimeout(ctx, changeTime)
	defer stop()
	said := "nobody runs"
	for n := 0; ctx.Err() == nil; n++ {
		running := c.running()
		if len(running) == 0 {
			break
		}
		i := running[n%len(running)]
		a, err := ask(ctx, i, q)
		switch {
		case err != nil:
			said = err.Error()
		case slices.Contains(want, a.Status):
			return a, nil
		default:
			said = fmt.Sprintf("%s says %d %s", i.name, a.Status, a.Body)
		}
		pause(ctx, 100*time.Millisecond)
	}
	return nil, fmt.Errorf("%s %s %s: not done after %v: %s", q.Method, q.Target, q.Body, changeTime, said)
}

// invite adds a member to the roster. A conflict means that an earlier request
// was carried out though its answer did not come.
func (c *cluster) invite(ctx context.Context, i *instance) error {
	body, err := json.Marshal(map[string][]string{"peerURLs": {i.peerURL()}})
	if err != nil {
		return err
	}
	_, err = c.change(ctx, process.Request{
		Method: "POST", Target: "/v2/members", Header: []process.Field{{Name: "Content-Type", Value: "application/json"}}, Body: body,
	}, 201, 409)
	if err != nil {
		return err
	}
	members, at, err := c.listed(ctx, i)
	if err != nil {
		return err
	}
	var list []*instance
	for _, m := range members {
		for _, known := range c.all() {
			if slices.Contains(m.PeerURLs, known.peerURL()) {
				list = append(list, known)
			}
		}
	}
	c.network.know(members[at].ID, i.name)
	i.config.Cluster, i.config.State = c.roster(list), "existing"
	return nil
}

// expel removes a member from the roster.
func (c *cluster) expel(ctx context.Context, i *instance) error {
	members, at, err := c.listed(ctx, i)
	if err != nil {
		return err
	}
	_, err = c.change(ctx, process.Request{Method: "DELETE", Target: "/v2/members/" + members[at].ID}, 204, 410)
	return err
}

// listed waits until the leader's roster has a member, and returns the roster
// and where in it the member is. Another member may have known before.
func (c *cluster) listed(ctx context.Context, i *instance) ([]memberBody, int, error) {
	ctx, stop := context.WithTimeout(ctx, readyTime)
	defer stop()
	for {
		members, err := c.members(ctx)
		at := slices.IndexFunc(members, func(m memberBody) bool { return slices.Contains(m.PeerURLs, i.peerURL()) })
		if at >= 0 {
			return members, at, nil
		}
		if ctx.Err() != nil {
			return nil, 0, errors.Join(err, fmt.Errorf("%s is not in the roster", i.name))
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// members asks the leader for the roster.
func (c *cluster) members(ctx context.Context) ([]memberBody, error) {
	l, err := c.leader(ctx)
	if err != nil {
		return nil, err
	}
	a, err := ask(ctx, l, process.Request{Method: "GET", Target: "/v2/members"})
	if err != nil {
		return nil, err
	}
	var said struct{ Members []memberBody }
	if err := json.Unmarshal(a.Body, &said); err != nil {
		return nil, fmt.Errorf("roster of %s: %w", l.name, err)
	}
	return said.Members, nil
}
