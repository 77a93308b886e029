# shellcheck shell=bash disable=SC2034 # what is set here is used there
# What the tests of the guides share: servers, processes, steps. To be sourced
# by a test, which run.sh starts.
#
# A test ends with the first step that goes wrong. However it ends, nothing that
# it started lives on.

set -u
export no_proxy='*' # everything is on this machine
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
patience=15 # seconds for what should be true in a moment
declare -A process=() # what start has started; each leads a group of its own
declare -A client=() peer=()
nodes=()

end_all() {
	local pid status=$?
	if [ "$status" != 0 ]; then show_logs; fi
	exec 2>/dev/null # where bash tells of the killed
	for pid in "${process[@]}"; do kill -KILL -- "-$pid"; done
	wait
	rm -rf "$work"
	exit "$status"
}
trap end_all EXIT
trap 'exit 130' INT TERM HUP

show_logs() {
	local log
	for log in "$work"/*.log; do
		[ -s "$log" ] || continue
		printf '\n%s:\n' "${log##*/}"
		tail -n 8 "$log" | cut -c 1-200
	done
}

# --- Steps ----------------------------------------------------------------------

# step TEXT COMMAND...: COMMAND succeeds, now or within $patience seconds.
step() {
	local text=$1 deadline=$((SECONDS + patience))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || fail "$text"
		sleep 0.05
	done
	printf 'ok    %s\n' "$text"
}

# check TEXT COMMAND...: COMMAND succeeds at once.
check() {
	"${@:2}" || fail "$1"
	printf 'ok    %s\n' "$1"
}

fail() {
	printf 'FAIL  %s\n' "$1"
	exit 1
}

# not COMMAND...: it fails.
not() { ! "$@"; }

# has FILE TEXT: a line of FILE in $work has TEXT in it.
has() { grep -qF -e "$2" "$work/$1" 2>/dev/null; }

# counts FILE TEXT N: so many lines of it do.
counts() { [ "$(grep -cF -e "$2" "$work/$1")" = "$3" ]; }

# is KEY VALUE: and not older than any member has it.
is() { [ "$(etcdctl2 get --quorum "$1" 2>/dev/null)" = "$2" ]; }

# there KEY: there is such a key.
there() { etcdctl2 get --quorum "$1" >/dev/null 2>&1; }

# gone KEY: no key is there. A server that does not answer says nothing of that.
gone() { etcdctl2 get --quorum "$1" 2>&1 | grep -q ' 100: '; }

# field KEY NAME prints what `etcdctl2 -o extended` says of a key.
field() { etcdctl2 -o extended get --quorum "$1" | sed -n "s/^$2: //p"; }

# clock prints the time in milliseconds.
clock() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# --- Processes --------------------------------------------------------------------

# start NAME COMMAND... runs it in the background; it writes to NAME.log.
start() {
	setsid "${@:2}" </dev/null >>"$work/$1.log" 2>&1 &
	process[$1]=$!
}

# runs NAME COMMAND: what was started has this, as a process of its own.
runs() { pgrep -P "${process[$1]}" -x -f "$2" >/dev/null; }

# send SIGNAL NAME: to the process, as kill does. send_all: to all that it has
# started, too, as when a machine dies.
send() { deliver "$1" "${process[$2]}" "${process[$2]}"; }
send_all() { deliver "$1" "-${process[$2]}" "${process[$2]}"; }
deliver() {
	kill "-$1" -- "$2"
	# Waited for at once, where bash would tell of it.
	[ "$1" != KILL ] || { wait "$3"; } 2>/dev/null || :
}

# ended NAME: the process has ended. Its exit code is in $code then.
ended() {
	! kill -0 "${process[$1]}" 2>/dev/null || return 1
	{ wait "${process[$1]}"; } 2>/dev/null
	code=$?
}

# --- Servers ------------------------------------------------------------------------

# ports N prints N ports that nobody listens on, below the range that the kernel
# takes for clients.
ports() {
	/usr/bin/python3 - "$1" <<'PYTHON'
import random, socket, sys
taken = []
while len(taken) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(12000, 32000)))
    except OSError:
        continue
    taken.append(s)
print(*(s.getsockname()[1] for s in taken))
PYTHON
}

# members N starts a cluster of N, which ETCDCTL_ENDPOINTS names.
members() {
	local n try
	for ((n = 1; n <= $1; n++)); do nodes+=("node$n"); done
	for try in 1 2 3; do
		assign "$1"
		for n in "${nodes[@]}"; do serve "$n"; done
		until healthy "${nodes[@]}" || in_use; do sleep 0.1; done
		in_use || break
		for n in "${nodes[@]}"; do send KILL "$n"; done 2>/dev/null
		rm -rf "$work"/node*
	done
	check "$1 of $1 servers run" healthy "${nodes[@]}"
	ETCDCTL_ENDPOINTS=$(IFS=,; echo "${client[*]}")
	export ETCDCTL_ENDPOINTS
}

# assign N gives ports to that many servers.
assign() {
	local n all founders=
	read -r -a all < <(ports $((2 * $1)))
	for ((n = 1; n <= $1; n++)); do
		client[node$n]=http://127.0.0.1:${all[2 * n - 2]}
		peer[node$n]=http://127.0.0.1:${all[2 * n - 1]}
		founders+=,node$n=${peer[node$n]}
	done
	initial_cluster=${founders#,}
}

# in_use: somebody else was quicker to listen on one of the ports.
in_use() { grep -q 'address already in use' "$work"/node*.log; }

# serve NODE [FLAG...] starts it, on what it had.
serve() {
	start "$1" "$GUIDES_BIN/keytree" --name "$1" --data-dir "$work/$1" \
		--listen-client-urls "${client[$1]}" --advertise-client-urls "${client[$1]}" \
		--listen-peer-urls "${peer[$1]}" --initial-advertise-peer-urls "${peer[$1]}" \
		--initial-cluster "$initial_cluster" "${@:2}"
}

healthy() {
	local node
	for node in "$@"; do
		curl -s --max-time 2 "${client[$node]}/health" | grep -q '"true"' || return 1
	done
}

# leader prints which server leads.
leader() {
	local node
	for node in "${nodes[@]}"; do
		curl -s --max-time 2 "${client[$node]}/v2/members/leader" | sed -n 's/.*"name":"\([^"]*\)".*/\1/p' | grep . && return
	done
	return 1
}

# kill_leader kills the server that leads, as a power cut would.
kill_leader() {
	killed=$(leader) || fail "a server leads"
	send KILL "$killed"
}

# watchers N: the servers have N watches.
watchers() {
	local node sum=0
	for node in "${nodes[@]}"; do
		sum=$((sum + $(curl -s --max-time 2 "${client[$node]}/v2/stats/store" | sed -n 's/.*"watchers":\([0-9]*\).*/\1/p')))
	done
	[ "$sum" -ge "$1" ]
}
