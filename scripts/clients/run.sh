#!/bin/bash
# Debian's clients against a server: a day's work of etcdctl and python-etcd
# with one member, then the life of a cluster, then discovery, then what the
# tutorials have, then etcdctl2, which stands beside SERVER, in place of
# Debian's etcdctl.
#
#   run.sh [SERVER]        default: bin/keytree
#
# Needs Debian's etcd-client, etcd-server, python3-etcd and curl.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$here/steps.sh"
server=${1:-bin/keytree}
client_pid=

cleanup() {
	if [ -n "$client_pid" ]; then
		kill "$client_pid" 2>/dev/null # and it ends its own servers
		until has_ended "$client_pid"; do wait "$client_pid" 2>/dev/null; done
	fi
	tidy
}
trap cleanup EXIT

# A trap waits for what runs in the foreground, so nothing does.
run() {
	"$@" &
	client_pid=$!
	wait "$client_pid" || status=1
	client_pid=
}

status=0
give_ports node1
launch node1 "$server" --name node1 \
	--listen-client-urls "${client[node1]}" --advertise-client-urls "${client[node1]}" \
	--listen-peer-urls "${peer[node1]}" --initial-advertise-peer-urls "${peer[node1]}" \
	--initial-cluster "node1=${peer[node1]}"
need node1
run "$here/day.sh" "${client[node1]}"
run /usr/bin/python3 "$here/day.py" "${client[node1]}"
if has_ended "${pid[node1]}"; then
	echo "$server has ended:" >&2
	tail -n 20 "$work/node1.log" >&2
	status=1
fi
stop node1 TERM
run "$here/cluster.sh" "$server"
run "$here/discovery.sh" "$server"
run "$here/tutorials.sh" "$server"
run "$here/ctl.sh" "$server"
run "$here/copy.sh" "$server"
exit $status
