# shellcheck shell=bash
# What the scripts in this directory share: steps, waiting, etcdctl, and
# servers. To be sourced.
#
# A step prints a line, "ok" or "FAIL"; conclude is the last thing to call, and
# exits with 1 if a step failed. However a script ends, nothing that it started
# in the background lives on, and $work is removed. After a failure the logs of
# its servers are kept.

set -u
export no_proxy='*' # everything is on this machine
work=$(mktemp -d)
failed=0
steps=0
patience=10          # seconds for what should be true in a moment
url=                 # what etcdctl asks: one URL or more, with commas
at=                  # what a step calls that, if anything
watched=             # whose watchers count, if not those of $url
base=                # where the keys are; a step does not show it
options=()           # more flags for etcdctl
declare -A job=()    # etcdctl in the background, by the file it prints to
declare -A client=() # client URLs of servers, by a name for each
declare -A peer=()   # peer URLs
declare -A pid=()    # processes
declare -A data=()   # data directories
declare -A called=() # names as members, where they are not the same
nodes=()             # who is in the cluster, by these names
nl=$'\n'

tidy() {
	local left
	# Another signal may cut a wait short.
	while mapfile -t left < <(jobs -pr) && [ ${#left[@]} -gt 0 ]; do
		{ kill -KILL "${left[@]}"; wait "${left[@]}"; } 2>/dev/null
	done
	rm -rf "$work"
}
trap tidy EXIT
trap 'trap : INT TERM; exit 130' INT TERM

conclude() {
	printf '%d steps, %d failed\n' "$steps" "$failed"
	[ "$failed" -gt 0 ] || exit 0
	if compgen -G "$work/*.log" >/dev/null; then
		local kept
		kept=$(mktemp -d)
		mv "$work"/*.log "$kept"
		printf 'the logs of the servers are in %s\n' "$kept"
	fi
	exit 1
}

# --- Steps --------------------------------------------------------------------

# report STEP PROBLEM: PROBLEM is empty when all is well.
report() {
	steps=$((steps + 1))
	if [ -z "$2" ]; then
		printf 'ok    %s\n' "$1"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n%s\n' "$1" "$2"
	fi
}

# skip STEP REASON
skip() { printf 'skip  %s: %s\n' "$1" "$2"; }

# compare STEP CODE PATTERN GOT_CODE GOT: PATTERN is a glob.
compare() {
	local problem=
	if [ "$4" != "$2" ]; then
		problem="      exit code $4, want $2"$'\n'
	fi
	# shellcheck disable=SC2053 # the right side is a pattern
	if [[ $5 != $3 ]]; then
		problem+="      got  ${5@Q}"$'\n'"      want ${3@Q}"
	fi
	report "$1" "$problem"
}

# expect STEP CODE PATTERN COMMAND...: runs it and looks at its exit code and
# at what it prints on both channels.
expect() {
	local out got
	out=$("${@:4}" 2>&1)
	got=$?
	compare "$1" "$2" "$3" "$got" "$out"
}

# soon STEP CODE PATTERN COMMAND...: expects what becomes true in a moment.
soon() {
	local out got deadline=$((SECONDS + patience))
	while :; do
		out=$("${@:4}" 2>&1)
		got=$?
		# shellcheck disable=SC2053 # the right side is a pattern
		[[ $got = "$2" && $out = $3 ]] || [ "$SECONDS" -ge "$deadline" ] && break
		sleep 0.05
	done
	compare "$1" "$2" "$3" "$got" "$out"
}

# step CODE PATTERN ARGUMENT...: expects it of etcdctl.
step() {
	local words=${*:3}
	expect "${at:+$at: }etcdctl ${words//$base/}" "$1" "$2" ctl "${@:3}"
}

# step_soon CODE PATTERN ARGUMENT...
step_soon() {
	local words=${*:3}
	soon "${at:+$at: }etcdctl ${words//$base/}" "$1" "$2" ctl "${@:3}"
}

# wait_for COMMAND...: runs it until it succeeds, for $patience at most.
wait_for() {
	local deadline=$((SECONDS + patience))
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.02
	done
}

has_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }

# --- etcdctl and curl ----------------------------------------------------------

ctl() {
	ETCDCTL_API=2 timeout --foreground -k 1 30 etcdctl --endpoints "$url" "${options[@]}" "$@"
}

ask() { curl -sS --max-time 15 "$@"; }

# watchers counts those of the servers that etcdctl watches at.
watchers() {
	local u all=0 n
	for u in ${watched:-$url}; do
		n=$(ask "$u/v2/stats/store" | sed -n 's/.*"watchers":\([0-9]*\).*/\1/p')
		all=$((all + ${n:-0}))
	done
	echo $all
}
has_watchers() { [ "$(watchers)" -ge "$1" ]; }

# background FILE ARGUMENT...: starts etcdctl, returns when the server has one
# more watcher. SIGINT, which a shell takes from background jobs, ends it.
background() {
	local file=$1 before words=${*:2}
	before=$(watchers)
	: >"$file"
	ETCDCTL_API=2 env --default-signal=INT etcdctl --endpoints "$url" "${options[@]}" "${@:2}" >"$file" 2>&1 &
	job[$file]=$!
	wait_for has_watchers $((before + 1)) || report "etcdctl ${words//$base/} begins to watch" "      the server counts $(watchers) watchers"
}

# finish STEP CODE PATTERN FILE: waits for the job to end by itself.
finish() {
	local process=${job[$4]}
	wait_for has_ended "$process" || kill "$process"
	wait "$process"
	compare "$1" "$2" "$3" $? "$(cat "$4")"
}

# interrupt STEP LINES PATTERN FILE: waits for that many lines, then SIGINT.
interrupt() {
	wait_for has_lines "$4" "$2"
	kill -INT "${job[$4]}"
	finish "$1" 0 "$3" "$4"
}

# --- Servers --------------------------------------------------------------------

# give_ports NAME... gives each server a client and a peer URL on ports that
# nobody listens on, below the range the kernel takes for clients.
give_ports() {
	local name one other
	while read -r name one other; do
		client[$name]=http://127.0.0.1:$one
		peer[$name]=http://127.0.0.1:$other
	done < <(/usr/bin/python3 - "$@" <<'PYTHON'
import random, socket, sys
taken = []
def take():
    while True:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.randrange(12000, 32000)))
        except OSError:
            continue
        taken.append(s)
        return s.getsockname()[1]
for name in sys.argv[1:]:
    print(name, take(), take())
PYTHON
	)
}

# is_etcd SERVER: it is etcd itself, which has the v2 API off.
is_etcd() { [[ $("$1" --version 2>&1) = 'etcd Version'* ]]; }

# launch NAME SERVER FLAG... starts SERVER, which keeps its data in $work/NAME
# and logs to $work/NAME.log. relaunch starts it again with the same flags.
launch() {
	local flags=("${@:3}")
	data[$1]=$work/$1
	if is_etcd "$2"; then flags+=(--enable-v2=true); fi
	printf '%s\n' "$2" "${flags[@]}" >"$work/$1.command"
	relaunch "$1"
}

# relaunch NAME [FLAG...]: the flags are added, for this and later starts. Of
# two alike the last one counts.
relaunch() {
	local command
	if [ $# -gt 1 ]; then printf '%s\n' "${@:2}" >>"$work/$1.command"; fi
	mapfile -t command <"$work/$1.command"
	printf -- '--- started\n' >>"$work/$1.log"
	"${command[@]}" --data-dir "${data[$1]}" </dev/null >>"$work/$1.log" 2>&1 &
	pid[$1]=$!
}

# healthy NAME...: they know a leader, and are known to the cluster.
healthy() {
	local name
	for name in "$@"; do
		curl -s --max-time 2 "${client[$name]}/health" | grep -q '"true"' || return 1
	done
}

# need NAME... waits until they are healthy. Without them there is no going on.
need() {
	local name
	for name in "$@"; do
		wait_for healthy_or_ended "$name" && healthy "$name" && continue
		report "$name is healthy" "$(tail -n 20 "$work/$name.log" | cut -c -400)"
		conclude
	done
}
healthy_or_ended() { healthy "$1" || has_ended "${pid[$1]}"; }

# stop NAME SIGNAL ends a server and waits for its end.
stop() {
	{
		kill "-$2" "${pid[$1]}"
		ended "$1"
	} 2>/dev/null # where bash tells of it
}

# ended NAME waits for the end of a server, and returns its exit code.
ended() {
	wait_for has_ended "${pid[$1]}" || return 99
	wait "${pid[$1]}"
}

# says NAME TEXT: the log of a server has it since its last start.
says() { sed -n 'H; /^--- started$/h; $!d; x; p' "$work/$1.log" | grep -qF -- "$2"; }

# --- Clusters ---------------------------------------------------------------------

# on [NAME]: what follows is asked of this member, or else of any.
on() {
	local name
	at=${1:-any}
	url=
	for name in "${@:-${nodes[@]}}"; do url+=${url:+,}${client[$name]}; done
}

# whole: all members are listed by any of them, and healthy.
whole() {
	local name want=
	for name in "${nodes[@]}"; do
		want+="name=${called[$name]:-$name} peerURLs=${peer[$name]} clientURLs=${client[$name]}$nl"
	done
	soon "$at: etcdctl member list shows ${nodes[*]}" 0 "$(sort <<<"${want%"$nl"}")" print_members
	want=
	for name in "${nodes[@]}"; do want+="member * is healthy: got healthy result from http*$nl"; done
	step_soon 0 "${want}cluster is healthy" cluster-health
}
print_members() {
	local out
	out=$(ctl member list) || return
	[ "$(grep -c 'isLeader=true$' <<<"$out")" = 1 ] || echo "not one leader"
	sed 's/^[0-9a-f]*: //; s/ isLeader=[a-z]*$//' <<<"$out" | sort
}
