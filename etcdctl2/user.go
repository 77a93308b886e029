package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) userCommand() *cli.Command {
	return &cli.Command{
		Name:  "user",
		Usage: "user add, grant and revoke subcommands",
		Subcommands: []*cli.Command{
			{
				Name:      "add",
				Usage:     "add a new user for the etcd cluster",
				ArgsUsage: "<user>",
				Action:    s.authAction(oneUser, addUser),
			},
			{
				Name:      "get",
				Usage:     "get details for a user",
				ArgsUsage: "<user>",
				Action:    s.authAction(oneUser, getUser),
			},
			{
				Name:      "list",
				Usage:     "list all current users",
				ArgsUsage: "<user>",
				Action:    s.authAction(noArguments, listUsers),
			},
			{
				Name:      "remove",
				Usage:     "remove a user for the etcd cluster",
				ArgsUsage: "<user>",
				Action:    s.authAction(oneUser, removeUser),
			},
			{
				Name:      "grant",
				Usage:     "grant roles to an etcd user",
				ArgsUsage: "<user>",
				Flags:     []cli.Flag{rolesFlag()},
				Action:    s.authAction(rolesOfOneUser, changingRoles((*client.Client).GrantUser)),
			},
			{
				Name:      "revoke",
				Usage:     "revoke roles for an etcd user",
				ArgsUsage: "<user>",
				Flags:     []cli.Flag{rolesFlag()},
				Action:    s.authAction(rolesOfOneUser, changingRoles((*client.Client).RevokeUser)),
			},
			{
				Name:      "passwd",
				Usage:     "change password for a user",
				ArgsUsage: "<user>",
				Action:    s.authAction(oneUser, changePassword),
			},
		},
	}
}

func rolesFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "roles", Usage: "List of roles to grant or revoke"}
}

func oneUser(c *call) error { return exactly(1, "Please provide a username")(c) }

func rolesOfOneUser(c *call) error {
	if len(c.StringSlice("roles")) == 0 {
		return plainly(exitBadArgs, "No roles specified; please use `--roles`")
	}
	return oneUser(c)
}

// newPassword is what asks for the password a user is to have.
const newPassword = "New password: "

// addUser makes a user. One that is there already gets the password.
func addUser(ctx context.Context, c *call, cl *client.Client) error {
	name, password, err := c.nameAndPassword(ctx, c.Args().First(), newPassword)
	if err != nil {
		return err
	}
	if _, err := putUser(ctx, c, cl, name, password); err != nil {
		return err
	}
	return c.sayf("User %s created\n", name)
}

// changePassword gives a user another password. One that is not there is made
// by that, and the program then fails without a word, as etcdctl does.
func changePassword(ctx context.Context, c *call, cl *client.Client) error {
	password, err := c.askPassword(ctx, newPassword)
	if err != nil {
		return err
	}
	created, err := putUser(ctx, c, cl, c.Args().First(), password)
	if err != nil {
		return err
	}
	if created {
		return plainly(exitBadArgs, "")
	}
	return c.sayf("Password updated\n")
}

func putUser(ctx context.Context, c *call, cl *client.Client, name, password string) (created bool, err error) {
	return asking(ctx, c, func(ctx context.Context) (bool, error) { return cl.PutUser(ctx, name, password) })
}

// getUser shows a user. There are as many blanks before the roles as there are
// roles; somebody may count on that.
func getUser(ctx context.Context, c *call, cl *client.Client) error {
	u, err := asking(ctx, c, func(ctx context.Context) (*client.User, error) { return cl.User(ctx, c.Args().First()) })
	if err != nil {
		return err
	}
	return c.sayf("User: %s\nRoles: %s%s\n", u.Name, strings.Repeat(" ", len(u.Roles)), strings.Join(u.Roles, " "))
}

func listUsers(ctx context.Context, c *call, cl *client.Client) error {
	names, err := asking(ctx, c, cl.Users)
	if err != nil {
		return err
	}
	if c.wantsTable() {
		return c.tableOfUsers(ctx, cl, names)
	}
	return c.sayLines(names)
}

// sayLines shows names, one to a line.
func (c *call) sayLines(names []string) error {
	var text strings.Builder
	for _, name := range names {
		text.WriteString(name + "\n")
	}
	return c.sayf("%s", text.String())
}

func removeUser(ctx context.Context, c *call, cl *client.Client) error {
	name := c.Args().First()
	if err := telling(ctx, c, func(ctx context.Context) error { return cl.RemoveUser(ctx, name) }); err != nil {
		return err
	}
	return c.sayf("User %s removed\n", name)
}

// changingRoles gives roles to a user or takes them away.
func changingRoles(change func(*client.Client, context.Context, string, ...string) (*client.User, error)) func(context.Context, *call, *client.Client) error {
	return func(ctx context.Context, c *call, cl *client.Client) error {
		name := c.Args().First()
		_, err := asking(ctx, c, func(ctx context.Context) (*client.User, error) {
			return change(cl, ctx, name, c.StringSlice("roles")...)
		})
		if err != nil {
			return err
		}
		return c.sayf("User %s updated\n", name)
	}
}
