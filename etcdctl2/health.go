package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

// healthInterval is how long --forever waits before it looks again.
const healthInterval = 10 * time.Second

func (s *shell) clusterHealthCommand() *cli.Command {
	return &cli.Command{
		Name:      "cluster-health",
		Usage:     "check the health of the etcd cluster",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "forever", Aliases: []string{"f"}, Usage: "forever check the health every 10 second until CTRL+C"},
		},
		Action: s.action(clusterHealth),
	}
}

// clusterHealth asks the endpoints the user named who the members are, and
// then each member how it is.
func clusterHealth(ctx context.Context, c *call) error {
	told := c.curl()
	cl, err := c.newClient(ctx, func(a client.Attempt) {
		if told != nil {
			told(a)
		}
	})
	if err != nil {
		return cannotAsk(err)
	}
	c.showEndpoints(cl)
	members, err := cl.Members(ctx)
	if err != nil {
		if err := c.sayf("cluster may be unhealthy: failed to list members\n"); err != nil {
			return err
		}
		return failed(exitRefused, err)
	}
	told = nil // the questions to the members are not shown
	if !c.Bool("forever") {
		well, err := c.checkHealth(ctx, cl, members)
		if err == nil && !well {
			err = &exitError{code: exitUnhealthy}
		}
		return err
	}
	ctx, release := c.interruptible(ctx)
	defer release()
	for {
		_, err := c.checkHealth(ctx, cl, members)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := c.sayf("\nnext check after 10 second...\n\n"); err != nil {
			return err
		}
		select {
		case <-time.After(healthInterval):
		case <-ctx.Done():
			return nil
		}
	}
}

// cannotAsk ends the program because what the user said leads to no client.
// This command tells of endpoints as others do, and of files as of an answer.
func cannotAsk(err error) error {
	if _, ok := errors.AsType[*url.Error](err); ok {
		return plainly(exitBadArgs, err.Error())
	}
	return failed(exitRefused, err)
}

// checkHealth tells how each member is and then how the cluster is: well, if
// all of them are.
func (c *call) checkHealth(ctx context.Context, cl *client.Client, members []client.Member) (well bool, err error) {
	healthy := 0
	for _, m := range members {
		well, err := c.checkMember(ctx, cl, m)
		if err != nil || ctx.Err() != nil {
			return false, err
		}
		if well {
			healthy++
		}
	}
	switch healthy {
	case len(members):
		return true, c.sayf("cluster is healthy\n")
	case 0:
		return false, c.sayf("cluster is unavailable\n")
	}
	return false, c.sayf("cluster is degraded\n")
}

// checkMember asks a member at one URL after the other until there is an
// answer. The error is one of telling the user.
func (c *call) checkMember(ctx context.Context, cl *client.Client, m client.Member) (well bool, err error) {
	if len(m.ClientURLs) == 0 {
		return false, c.sayf("member %s is unreachable: no available published client urls\n", m.ID)
	}
	for _, u := range m.ClientURLs {
		well, err := cl.Health(ctx, u)
		if ctx.Err() != nil {
			return false, nil
		}
		switch {
		case err != nil:
			err = c.sayf("failed to check the health of member %s on %s: %s\n", m.ID, u, unanswered(u, err))
		case well:
			return true, c.sayf("member %s is healthy: got healthy result from %s\n", m.ID, u)
		default:
			return false, c.sayf("member %s is unhealthy: got unhealthy result from %s\n", m.ID, u)
		}
		if err != nil {
			return false, err
		}
	}
	return false, c.sayf("member %s is unreachable: %v are all unreachable\n", m.ID, m.ClientURLs)
}

// unanswered says what became of a question: nothing, or an answer that makes
// no sense.
func unanswered(u string, err error) string {
	_, noJSON := errors.AsType[*json.SyntaxError](err)
	_, otherJSON := errors.AsType[*json.UnmarshalTypeError](err)
	if noJSON || otherJSON {
		return err.Error()
	}
	return fmt.Sprintf("Get %q: %v", u+"/health", err)
}
