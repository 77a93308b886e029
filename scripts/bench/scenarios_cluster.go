package main

import (
	"context"
	"errors"
)

// clusterSize is how many members the scenarios of a cluster have.
const clusterSize = 3

func runClusterPut(ctx context.Context, b *bench, c *cluster) (figures, error) {
	return b.measureLeader(ctx, c, b.conns)
}

func runClusterPutAlone(ctx context.Context, b *bench, c *cluster) (figures, error) {
	return b.measureLeader(ctx, c, 1)
}

// measureLeader puts keys on the leader.
func (b *bench) measureLeader(ctx context.Context, c *cluster, conns int) (figures, error) {
	leader, err := b.preloadCluster(ctx, c)
	if err != nil {
		return nil, err
	}
	f, err := b.measure(ctx, led{c, leader}, conns, func(i int) source {
		return &puts{put: leader.putRequest(), rnd: random(i), space: b.space}
	})
	if err != nil {
		return nil, err
	}
	now, err := c.leader(ctx)
	if err == nil && now != leader {
		err = errors.New("another member became the leader meanwhile")
	}
	return f, err
}

func runClusterPutSpread(ctx context.Context, b *bench, c *cluster) (figures, error) {
	leader, err := b.preloadCluster(ctx, c)
	if err != nil {
		return nil, err
	}
	return b.measure(ctx, c, b.conns, func(i int) source {
		return &puts{put: leader.putRequest(), rnd: random(i), space: b.space}
	})
}

func runClusterQuorumGet(ctx context.Context, b *bench, c *cluster) (figures, error) {
	leader, err := b.preloadCluster(ctx, c)
	if err != nil {
		return nil, err
	}
	return b.measure(ctx, c, b.conns, func(i int) source {
		return &gets{get: leader.getRequest("?quorum=true"), rnd: random(i), space: b.space}
	})
}

// preloadCluster puts all keys, and returns who leads then.
func (b *bench) preloadCluster(ctx context.Context, c *cluster) (*server, error) {
	leader, err := c.leader(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := b.preload(ctx, leader, dir, b.space, valueSize); err != nil {
		return nil, err
	}
	return c.leader(ctx)
}
