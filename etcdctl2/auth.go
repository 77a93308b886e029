package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) authCommand() *cli.Command {
	return &cli.Command{
		Name:  "auth",
		Usage: "overall auth controls",
		Subcommands: []*cli.Command{
			{
				Name:      "enable",
				Usage:     "enable auth access controls",
				ArgsUsage: " ",
				Action:    s.authAction(noArguments, enableAuth),
			},
			{
				Name:      "disable",
				Usage:     "disable auth access controls",
				ArgsUsage: " ",
				Action:    s.authAction(noArguments, disableAuth),
			},
		},
	}
}

// authAction is adminAction for users and roles, who tell twice of the
// endpoints if the user wants to know them.
func (s *shell) authAction(check func(*call) error, run func(context.Context, *call, *client.Client) error) cli.ActionFunc {
	return s.adminAction(check, func(ctx context.Context, c *call, cl *client.Client) error {
		c.showEndpoints(cl)
		return run(ctx, c, cl)
	})
}

func enableAuth(ctx context.Context, c *call, cl *client.Client) error {
	if err := telling(ctx, c, cl.EnableAuth); err != nil {
		return err
	}
	return c.sayf("Authentication Enabled\n")
}

func disableAuth(ctx context.Context, c *call, cl *client.Client) error {
	if err := telling(ctx, c, cl.DisableAuth); err != nil {
		return err
	}
	return c.sayf("Authentication Disabled\n")
}
