package main

import (
	"cmp"
	"context"
	"net"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

func (s *shell) restoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Category:  added,
		Usage:     "make of a backup the directory of a member of a new cluster",
		ArgsUsage: " ",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "backup-dir", Usage: "the `dir` that backup wrote; it stays as it is"},
			&cli.StringFlag{Name: "data-dir", Usage: "the `dir` of the member; default: its name with .etcd"},
			&cli.StringFlag{Name: "wal-dir", Usage: "the `dir` of the member's log, if that is to be elsewhere"},
			&cli.StringFlag{Name: "name", Value: "default", Usage: "the `name` of the member"},
			&cli.StringFlag{Name: "initial-cluster", Usage: "all members as `NAME=URL`, separated by commas; default: this one alone"},
			&cli.StringFlag{Name: "initial-cluster-token", Value: "etcd-cluster", Usage: "a `word` that tells this cluster from others of the same backup"},
			&cli.StringFlag{Name: "initial-advertise-peer-urls", Usage: "the `URLs` of this member in the cluster, separated by commas"},
		},
		Action: s.action(restore),
	}
}

// defaultPeerURL is where a member is reached if nobody says otherwise.
const defaultPeerURL = "http://localhost:2380"

// restore makes a member of a backup. Done for each of several with the same
// backup and the same initial cluster, it makes a cluster.
func restore(ctx context.Context, c *call) error {
	name := c.String("name")
	if c.String("backup-dir") == "" {
		return plainly(exitBadArgs, "--backup-dir has to name a backup")
	}
	cluster, err := c.initialCluster(ctx, name)
	if err != nil {
		return err
	}
	dir := cmp.Or(c.String("data-dir"), name+".etcd")
	self, id, err := replica.Restore(replica.Config{
		Name:     name,
		Dir:      memberDir(dir),
		LogDir:   c.String("wal-dir"),
		Founders: cluster,
		Token:    c.String("initial-cluster-token"),
	}, memberDir(c.String("backup-dir")))
	if err != nil {
		return err
	}
	return c.sayf("Member %v of cluster %v was restored to %s.\n", self, id, dir)
}

// initialCluster is who is to be in the cluster.
func (c *call) initialCluster(ctx context.Context, name string) (member.Cluster, error) {
	own := c.String("initial-advertise-peer-urls")
	text := c.String("initial-cluster")
	if text == "" {
		urls, err := member.ParseURLs(strings.Split(cmp.Or(own, defaultPeerURL), ","))
		return member.Cluster{name: urls}, err
	}
	cluster, err := member.ParseCluster(text)
	if err != nil {
		return nil, err
	}
	if err := cluster.CheckName(name); err != nil {
		return nil, err
	}
	if err := cluster.CheckDistinct(); err != nil || own == "" {
		return cluster, err
	}
	urls, err := member.ParseURLs(strings.Split(own, ","))
	if err != nil {
		return nil, err
	}
	return cluster, cluster.CheckAdvertised(ctx, name, urls, lookUp)
}

// lookUp is the address of a host.
func lookUp(ctx context.Context, host string) (string, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", err
	}
	return found[0].Unmap().String(), nil
}
