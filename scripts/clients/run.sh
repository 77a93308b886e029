#!/bin/bash
# Starts a server, lets etcdctl and python-etcd do a day's work against it, and
# stops it.
#
#   run.sh [SERVER]        default: bin/keytree
#
# Needs Debian's etcd-client, python3-etcd and curl.

set -u
server=${1:-bin/keytree}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
pid=
client_pid=

cleanup() {
	if [ -n "$client_pid" ]; then
		kill "$client_pid" 2>/dev/null
		wait "$client_pid" 2>/dev/null
	fi
	if [ -n "$pid" ]; then
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Ports nobody listens on, below the range the kernel takes for clients.
read -r client peer < <(/usr/bin/python3 - <<'PYTHON'
import random, socket
found = []
while len(found) < 2:
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(12000, 32000)))
        found.append(s)
    except OSError:
        pass
print(*[s.getsockname()[1] for s in found])
PYTHON
)
url=http://127.0.0.1:$client
flags=()
version=$("$server" --version 2>&1)
if [[ $version == *'etcd Version'* && ${version,,} != *keytree* ]]; then
	flags+=(--enable-v2=true)
fi
"$server" --name node1 --data-dir "$work/data" \
	--listen-client-urls "$url" --advertise-client-urls "$url" \
	--listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
	--initial-cluster "node1=http://127.0.0.1:$peer" "${flags[@]}" >"$work/log" 2>&1 &
pid=$!

deadline=$((SECONDS + 20))
until curl -sf --max-time 1 "$url/v2/keys" >/dev/null && ! curl -s --max-time 1 "$url/version" | grep -q not_decided; do
	if ! kill -0 "$pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
		echo "$server does not answer:" >&2
		tail -n 20 "$work/log" >&2
		exit 1
	fi
	sleep 0.05
done

# A trap waits for what runs in the foreground, so nothing does.
run() {
	"$@" &
	client_pid=$!
	wait "$client_pid"
}

status=0
run "$here/day.sh" "$url" || status=1
run /usr/bin/python3 "$here/day.py" "$url" || status=1
client_pid=
if ! kill -0 "$pid" 2>/dev/null; then
	echo "$server has ended:" >&2
	tail -n 20 "$work/log" >&2
	status=1
fi
exit $status
