package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) roleCommand() *cli.Command {
	return &cli.Command{
		Name:  "role",
		Usage: "role add, grant and revoke subcommands",
		Subcommands: []*cli.Command{
			{
				Name:      "add",
				Usage:     "add a new role for the etcd cluster",
				ArgsUsage: "<role> ",
				Action:    s.authAction(oneRole, addRole),
			},
			{
				Name:      "get",
				Usage:     "get details for a role",
				ArgsUsage: "<role>",
				Action:    s.authAction(oneRole, getRole),
			},
			{
				Name:      "list",
				Usage:     "list all roles",
				ArgsUsage: " ",
				Action:    s.authAction(noArguments, listRoles),
			},
			{
				Name:      "remove",
				Usage:     "remove a role from the etcd cluster",
				ArgsUsage: "<role>",
				Action:    s.authAction(oneRole, removeRole),
			},
			{
				Name:      "grant",
				Usage:     "grant path matches to an etcd role",
				ArgsUsage: "<role>",
				Flags:     permissionFlags("Path granted for the role to access", "Grant read-only access", "Grant write-only access", "Grant read-write access"),
				Action:    s.authAction(permissionsOfOneRole, changingPermissions((*client.Client).GrantRole)),
			},
			{
				Name:      "revoke",
				Usage:     "revoke path matches for an etcd role",
				ArgsUsage: "<role>",
				Flags:     permissionFlags("Path revoked for the role to access", "Revoke read access", "Revoke write access", "Revoke read-write access"),
				Action:    s.authAction(permissionsOfOneRole, changingPermissions((*client.Client).RevokeRole)),
			},
		},
	}
}

// permissionFlags are flags with what is said about each.
func permissionFlags(path, read, write, both string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "path", Usage: path},
		&cli.BoolFlag{Name: "read", Usage: read},
		&cli.BoolFlag{Name: "write", Usage: write},
		&cli.BoolFlag{Name: "readwrite", Aliases: []string{"rw"}, Usage: both},
	}
}

func oneRole(c *call) error { return exactly(1, "Please provide a role name")(c) }

func permissionsOfOneRole(c *call) error {
	path := c.String("path")
	switch {
	case path == "":
		return plainly(exitBadArgs, "No path specified; please use `--path`")
	case !strings.HasPrefix(path, "/"):
		return plainly(exitBadArgs, "Not canonical path; please use `--path=/"+path+"`")
	}
	given := 0
	for _, flag := range []string{"read", "write", "readwrite"} {
		if c.Bool(flag) {
			given++
		}
	}
	if given != 1 {
		return plainly(exitBadArgs, "Please specify exactly one of --read, --write or --readwrite")
	}
	return oneRole(c)
}

// permissions are what the flags of a command say.
func (c *call) permissions() client.Permissions {
	var p client.Permissions
	path := []string{c.String("path")}
	if !c.Bool("write") {
		p.Read = path
	}
	if !c.Bool("read") {
		p.Write = path
	}
	return p
}

func askRole(ctx context.Context, c *call, cl *client.Client) (*client.Role, error) {
	return asking(ctx, c, func(ctx context.Context) (*client.Role, error) { return cl.Role(ctx, c.Args().First()) })
}

// addRole makes a role that is not there yet.
func addRole(ctx context.Context, c *call, cl *client.Client) error {
	name := c.Args().First()
	_, err := askRole(ctx, c, cl)
	if err == nil {
		return plainly(exitBadArgs, "Role "+name+" already exists")
	}
	if refusal, ok := errors.AsType[*client.StatusError](err); !ok || refusal.Status != http.StatusNotFound {
		return err
	}
	if err := telling(ctx, c, func(ctx context.Context) error { return cl.AddRole(ctx, name) }); err != nil {
		return err
	}
	return c.sayf("Role %s created\n", name)
}

func getRole(ctx context.Context, c *call, cl *client.Client) error {
	role, err := askRole(ctx, c, cl)
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("Role: " + role.Name + "\nKV Read:\n")
	for _, pattern := range role.Permissions.Read {
		text.WriteString("\t" + pattern + "\n")
	}
	text.WriteString("KV Write:\n")
	for _, pattern := range role.Permissions.Write {
		text.WriteString("\t" + pattern + "\n")
	}
	return c.sayf("%s", text.String())
}

func listRoles(ctx context.Context, c *call, cl *client.Client) error {
	names, err := asking(ctx, c, cl.Roles)
	if err != nil {
		return err
	}
	return c.sayLines(names)
}

func removeRole(ctx context.Context, c *call, cl *client.Client) error {
	name := c.Args().First()
	if err := telling(ctx, c, func(ctx context.Context) error { return cl.RemoveRole(ctx, name) }); err != nil {
		return err
	}
	return c.sayf("Role %s removed\n", name)
}

// changingPermissions lets holders of a role do more or less. The role must be
// there.
func changingPermissions(change func(*client.Client, context.Context, string, client.Permissions) (*client.Role, error)) func(context.Context, *call, *client.Client) error {
	return func(ctx context.Context, c *call, cl *client.Client) error {
		if _, err := askRole(ctx, c, cl); err != nil {
			return err
		}
		name := c.Args().First()
		_, err := asking(ctx, c, func(ctx context.Context) (*client.Role, error) { return change(cl, ctx, name, c.permissions()) })
		if err != nil {
			return err
		}
		return c.sayf("Role %s updated\n", name)
	}
}
