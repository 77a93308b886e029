package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
	"keytree/raftlog/member"
)

func (s *shell) memberCommand() *cli.Command {
	return &cli.Command{
		Name:  "member",
		Usage: "member add, remove and list subcommands",
		Subcommands: []*cli.Command{
			{
				Name:      "list",
				Usage:     "enumerate existing cluster members",
				ArgsUsage: " ",
				Action:    s.adminAction(noArguments, listMembers),
			},
			{
				Name:      "add",
				Usage:     "add a new member to the etcd cluster",
				ArgsUsage: "<name> <peerURL>",
				Action:    s.adminAction(exactly(2, "Provide a name and a single member peerURL"), addMember),
			},
			{
				Name:      "remove",
				Usage:     "remove an existing member from the etcd cluster",
				ArgsUsage: "<memberID>",
				Action:    s.adminAction(exactly(1, "Provide a single member ID"), removeMember),
			},
			{
				Name:      "update",
				Usage:     "update an existing member in the etcd cluster",
				ArgsUsage: "<memberID> <peerURLs>",
				Action: s.adminAction(exactly(2,
					"Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)"), updateMember),
			},
		},
	}
}

// adminAction is what the commands on members, users and roles have in
// common: the arguments are looked at before anybody is asked, and an error is
// told as it is.
func (s *shell) adminAction(check func(*call) error, run func(context.Context, *call, *client.Client) error) cli.ActionFunc {
	return s.action(func(ctx context.Context, c *call) error {
		if err := check(c); err != nil {
			return err
		}
		cl, err := c.client(ctx)
		if err != nil {
			return err
		}
		return run(ctx, c, cl)
	})
}

// exactly wants n arguments, or ends with what is wanted.
func exactly(n int, wanted string) func(*call) error {
	return func(c *call) error {
		if c.NArg() != n {
			return plainly(exitBadArgs, wanted)
		}
		return nil
	}
}

func noArguments(c *call) error { return exactly(0, "No arguments accepted")(c) }

// sayf tells the user what has been done.
func (c *call) sayf(format string, args ...any) error {
	_, err := fmt.Fprintf(c.stdout, format, args...)
	return err
}

// asking puts one question, which may take as long as a phase of a command.
func asking[A any](ctx context.Context, c *call, ask func(context.Context) (A, error)) (A, error) {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	return ask(ctx)
}

// telling is asking that wants to know no more than whether it is done.
func telling(ctx context.Context, c *call, tell func(context.Context) error) error {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	return tell(ctx)
}

func listMembers(ctx context.Context, c *call, cl *client.Client) error {
	members, err := asking(ctx, c, cl.Members)
	if err != nil {
		return err
	}
	leader, err := asking(ctx, c, cl.Leader)
	if err != nil {
		return plainly(exitBadArgs, fmt.Sprint("Failed to get leader:  ", err))
	}
	if c.wantsTable() {
		return c.sayf("%s", membersInTable(members, leader.ID))
	}
	var text strings.Builder
	for _, m := range members {
		peers := strings.Join(m.PeerURLs, ",")
		if m.Name == "" {
			fmt.Fprintf(&text, "%s[unstarted]: peerURLs=%s\n", m.ID, peers)
			continue
		}
		role := ""
		if m.Learner {
			role = " role=" + string(member.Learner)
		}
		fmt.Fprintf(&text, "%s: name=%s peerURLs=%s clientURLs=%s isLeader=%t%s\n",
			m.ID, m.Name, peers, strings.Join(m.ClientURLs, ","), m.ID == leader.ID, role)
	}
	return c.sayf("%s", text.String())
}

// addMember tells the cluster of a member, and the user how to start it.
func addMember(ctx context.Context, c *call, cl *client.Client) error {
	name, raw := c.Args().Get(0), c.Args().Get(1)
	peer, err := member.ParseURL(raw)
	if err != nil {
		return err
	}
	added, err := asking(ctx, c, func(ctx context.Context) (*client.Member, error) { return cl.AddMember(ctx, peer) })
	if err != nil {
		return err
	}
	if err := c.sayf("Added member named %s with ID %s to cluster\n", name, added.ID); err != nil {
		return err
	}
	members, err := asking(ctx, c, cl.Members)
	if err != nil {
		return err
	}
	var cluster []string
	for _, m := range members {
		if m.ID == added.ID {
			m.Name = name
		}
		for _, u := range m.PeerURLs {
			cluster = append(cluster, m.Name+"="+u)
		}
	}
	return c.sayf("\nETCD_NAME=%q\nETCD_INITIAL_CLUSTER=%q\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n", name, strings.Join(cluster, ","))
}

const memberNamed = `Found a member named %s; if this is correct, please use its ID, eg:
	etcdctl member remove %s
For more details, read the documentation at https://github.com/etcd-io/etcd/blob/master/Documentation/runtime-configuration.md#remove-a-member

`

func removeMember(ctx context.Context, c *call, cl *client.Client) error {
	id := c.Args().First()
	members, err := asking(ctx, c, cl.Members)
	if err != nil {
		return plainly(exitBadArgs, "Error while verifying ID against known members: "+err.Error())
	}
	if !slices.ContainsFunc(members, func(m client.Member) bool { return m.ID == id }) {
		var advice string
		for _, m := range members {
			if m.Name == id {
				advice += fmt.Sprintf(memberNamed, m.Name, m.ID)
			}
		}
		return plainly(exitBadArgs, advice+"Couldn't find a member in the cluster with an ID of "+id+".")
	}
	if err := telling(ctx, c, func(ctx context.Context) error { return cl.RemoveMember(ctx, id) }); err != nil {
		return &exitError{code: exitBadArgs, text: fmt.Sprintf("Received an error trying to remove member %s: %v", id, err)}
	}
	return c.sayf("Removed member %s from cluster\n", id)
}

func updateMember(ctx context.Context, c *call, cl *client.Client) error {
	id := c.Args().Get(0)
	peers, err := member.ParseURLs(strings.Split(c.Args().Get(1), ","))
	if err != nil {
		return err
	}
	if err := telling(ctx, c, func(ctx context.Context) error { return cl.UpdateMember(ctx, id, peers...) }); err != nil {
		return err
	}
	return c.sayf("Updated member with ID %s in cluster\n", id)
}
