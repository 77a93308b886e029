package main

// inertSettings are settings of etcd's that have nothing to set here. Their
// values are checked and left alone, so that files and command lines made for
// etcd can be used as they are.
func (c *config) inertSettings() []setting {
	const (
		noSnapshots = "the log is truncated without snapshots."
		noV3        = "there is no v3 API."
	)
	all := []setting{
		{name: "snapshot-count", usage: noSnapshots, value: new(count)},
		{name: "max-snapshots", usage: noSnapshots, value: new(number)},
		{name: "max-wals", usage: "what the log no longer needs is removed.", value: new(number)},
		{name: "initial-election-tick-advance", usage: "a first election never waits longer than it must.", value: new(truth)},
		{name: "pre-vote", usage: "members always ask before they call an election.", value: new(truth)},
		{name: "unsafe-no-fsync", usage: "what was acknowledged is on the disk.", value: (*truth)(&c.unsafeNoFsync)},
		{name: "logger", usage: "'capnslog' or 'zap'; there is one logger.", value: (*text)(&c.logger)},
		{name: "metrics", usage: "all metrics are always there.", value: new(text)},
		{name: "socket-reuse-port", usage: "a port belongs to one process.", value: new(truth)},
		{name: "socket-reuse-address", usage: "it is always on.", value: new(truth)},

		{name: "quota-backend-bytes", usage: noV3 + " The quota of this one is quota-bytes.", value: new(signed)},
		{name: "backend-batch-interval", usage: noV3, value: new(span)},
		{name: "backend-batch-limit", usage: noV3, value: new(signed)},
		{name: "max-txn-ops", usage: noV3, value: new(number)},
		{name: "max-concurrent-streams", usage: noV3, value: new(number)},
		{name: "grpc-keepalive-min-time", usage: noV3, value: new(span)},
		{name: "grpc-keepalive-interval", usage: noV3, value: new(span)},
		{name: "grpc-keepalive-timeout", usage: noV3, value: new(span)},
		{name: "auto-compaction-mode", usage: noV3, value: new(text)},
		{name: "auto-compaction-retention", usage: noV3, value: new(text)},
		{name: "auth-token", usage: noV3, value: new(text)},
		{name: "auth-token-ttl", usage: noV3, value: new(number)},
		{name: "enable-grpc-gateway", usage: noV3, value: new(truth)},
		{name: "experimental-initial-corrupt-check", usage: noV3, value: new(truth)},
		{name: "experimental-corrupt-check-time", usage: noV3, value: new(span)},
		{name: "experimental-enable-v2v3", usage: noV3 + " The v2 API has a tree of its own.", value: new(text)},
		{name: "experimental-backend-bbolt-freelist-type", usage: noV3, value: new(text)},
		{name: "experimental-enable-lease-checkpoint", usage: noV3, value: new(truth)},
		{name: "experimental-enable-lease-checkpoint-persist", usage: noV3, value: new(truth)},
		{name: "experimental-compaction-batch-limit", usage: noV3, value: new(signed)},
		{name: "experimental-watch-progress-notify-interval", usage: noV3, value: new(span)},
		{name: "experimental-warning-apply-duration", usage: noV3, value: new(span)},
		{name: "experimental-v3demo", usage: noV3, value: new(truth)},
		{name: "experimental-gRPC-addr", usage: noV3, value: new(text)},
		{name: "experimental-auto-compaction-retention", usage: noV3, value: new(text)},
	}
	for i := range all {
		all[i].inert = true
	}
	return all
}
