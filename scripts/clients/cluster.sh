#!/bin/bash
# The life of a cluster as the tutorials have it, with Debian's etcdctl in its
# v2 mode and curl: founded, grown, shrunk, moved, restarted, killed, reduced to
# one, and with proxies in front.
#
#   cluster.sh [SERVER]        default: bin/keytree
#
# Prints a line per step; fails if any step went wrong. SERVER may be etcd.

# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$(dirname "$0")/steps.sh"
server=${1:-bin/keytree}
patience=20
options=(--no-sync) # the member that is named is asked

# member NAME STATE INITIAL_CLUSTER [FLAG...] starts a member.
member() {
	launch "$1" "$server" --name "$1" \
		--listen-client-urls "${client[$1]}" --advertise-client-urls "${client[$1]}" \
		--listen-peer-urls "${peer[$1]}" --initial-advertise-peer-urls "${peer[$1]}" \
		--initial-cluster "$3" --initial-cluster-state "$2" "${@:4}"
}

# Where members come and go by the second, those who are asked for it must not
# insist on five seconds of connection.
hasty=--strict-reconfig-check=false

# add NAME has it added to the cluster; join starts it.
add() {
	soon "$at: etcdctl member add $1" 0 \
		"Added member named $1 with ID * to cluster$nl${nl}ETCD_NAME=\"$1\"${nl}ETCD_INITIAL_CLUSTER=\"*$1=${peer[$1]}*\"${nl}ETCD_INITIAL_CLUSTER_STATE=\"existing\"" \
		print_added "$1"
	expect "$at: etcdctl member list shows $1 as unstarted" 0 "*[[]unstarted]: peerURLs=${peer[$1]}*" ctl member list
}
print_added() {
	ctl member add "$1" "${peer[$1]}" >"$work/added" 2>&1
	set -- $?
	cat "$work/added"
	return "$1"
}

# join NAME starts the one added last, with what etcdctl printed.
join() {
	member "$1" existing "$(sed -n 's/^ETCD_INITIAL_CLUSTER="\(.*\)"$/\1/p' "$work/added")" $hasty
	need "$1"
	nodes+=("$1")
	whole
}

# leader prints who leads, if anybody does.
leader() {
	local name who
	who=$(ask "${url%%,*}/v2/members/leader")
	for name in "${nodes[@]}"; do
		[[ $who != *"\"${client[$name]}\""* ]] || { echo "$name"; return; }
	done
	return 1
}
know_leader() { wait_for leader; }

id_of() { ctl member list | sed -n "s|^\([0-9a-f]*\)[:[].* peerURLs=${peer[$1]} .*|\1|p"; }

# others NAME... prints who else is in the cluster.
others() {
	local name
	for name in "${nodes[@]}"; do
		[[ " $* " = *" $name "* ]] || echo "$name"
	done
}

# leaves NAME WHEN: it was removed, and ends.
leaves() {
	local problem='' got
	ended "$1"
	got=$?
	[ $got = 0 ] || problem="      exit code $got, want 0"$nl
	says "$1" 'the member has been permanently removed from the cluster' &&
		says "$1" 'the data-dir used by this member must be removed.' ||
		problem+=$(tail -n 5 "$work/$1.log" | cut -c -400)
	report "$1, $2, says so and ends with exit code 0" "$problem"
}

# remove NAME has it removed.
remove() {
	expect "$at: etcdctl member remove $1" 0 'Removed member * from cluster' ctl member remove "$(id_of "$1")"
	mapfile -t nodes < <(others "$1")
	leaves "$1" removed
}

terminate() {
	stop "$1" TERM
	compare "$1 ends on SIGTERM" 143 '' $? ''
}

# move NAME TO [FLAG...] starts it again at the peer URL of TO.
move() {
	local id
	id=$(id_of "$1")
	expect "$at: etcdctl member update $1" 0 "Updated member with ID $id in cluster" ctl member update "$id" "${peer[$2]}"
	terminate "$1"
	peer[$1]=${peer[$2]}
	relaunch "$1" --listen-peer-urls "${peer[$1]}" "${@:3}"
	need "$1"
	whole
}

# write_on DIR writes DIR/1, DIR/2, ... one after the other until "enough", for
# a minute at most. Prints the numbers, and on its other channel what did not
# succeed at once.
write_on() {
	local n=0 problem end=$((SECONDS + 60))
	while [ ! -e "$work/enough" ] && [ "$SECONDS" -lt "$end" ]; do
		n=$((n + 1))
		if ! problem=$(ctl set "$1/$n" "$n" 2>&1); then
			printf 'again %d: %s\n' "$n" "$problem" >&2
			problem=$(ctl set "$1/$n" "$n" 2>&1) || printf 'lost %d: %s\n' "$n" "$problem" >&2
		fi
		echo "$n"
	done
}

# writing DIR starts a writer that asks any member.
writing() {
	local before=$at
	rm -f "$work/enough"
	: >"$work/written"
	on
	write_on "$1" >"$work/written" 2>"$work/again" &
	writer=$!
	on "$before"
}
written() { wc -l <"$work/written"; }
has_written() { [ "$(written)" -ge "$1" ]; }

# enough DIR ends the writer, and looks whether all members have what it wrote.
enough() {
	local name before=$at
	: >"$work/enough"
	wait "$writer"
	report "each of $(written) writes succeeded, $(grep -c '^again' "$work/again") of them at the second try" \
		"$(grep '^lost' "$work/again")"
	for name in "${nodes[@]}"; do
		on "$name"
		soon "$name has all that was written" 0 '' differs "$1"
	done
	on "$before"
}
differs() {
	diff <(seq "$(written)") <(ask "$url/v2/keys$1" | grep -o '"value":"[0-9]*"' | tr -dc '0-9\n' | sort -n)
}

# put KEY VALUE asks with curl, and shows the answer and its status.
put() { ask -w '%{http_code}' -XPUT "$url/v2/keys$1" -d value="$2"; }
get() { ask -w '%{http_code}' "$url/v2/keys$1"; }
health() { ask -w '%{http_code}' "$url/health"; }

# --- Three members on one machine ----------------------------------------------

give_ports node1 node2 node3 node4 moved rescued proxy readonly
founders=node1=${peer[node1]},node2=${peer[node2]},node3=${peer[node3]}
launch node1 "$server" --name node1 --initial-advertise-peer-urls "${peer[node1]}" --listen-peer-urls "${peer[node1]}" \
	--listen-client-urls "${client[node1]}" --advertise-client-urls "${client[node1]}" \
	--initial-cluster-token etcd-cluster-1 --initial-cluster "$founders" --initial-cluster-state new
launch node2 "$server" -name node2 -initial-advertise-peer-urls "${peer[node2]}" -listen-peer-urls "${peer[node2]}" \
	-listen-client-urls "${client[node2]}" -advertise-client-urls "${client[node2]}" \
	-initial-cluster-token etcd-cluster-1 -initial-cluster "$founders" -initial-cluster-state new "$hasty"
launch node3 "$server" -name=node3 --initial-advertise-peer-urls="${peer[node3]}" -listen-peer-urls="${peer[node3]}" \
	--listen-client-urls="${client[node3]}" -advertise-client-urls="${client[node3]}" \
	-initial-cluster-token=etcd-cluster-1 --initial-cluster="$founders" -initial-cluster-state=new "$hasty"
nodes=(node1 node2 node3)
need node1 node2 node3

for name in node1 node2 node3; do
	on $name
	whole
	step 0 "from $name" set /from/$name "from $name"
done
for name in node1 node2 node3; do
	on $name
	for from in node1 node2 node3; do
		step_soon 0 "from $from" get /from/$from
	done
	step 0 "/from/node1$nl/from/node2$nl/from/node3" ls --sort /from
done
on node2
expect 'node2: curl -XPUT' 0 '{"action":"set","node":{"key":"/message","value":"Hello world",*}}*201' put /message 'Hello world'
on node3
soon 'node3: curl' 0 '{"action":"get","node":{"key":"/message","value":"Hello world",*}}*200' get /message
expect 'node3: curl /v2/machines' 0 'http://*, http://*, http://*' ask "$url/v2/machines"

# --- A fourth at run time --------------------------------------------------------

on node1
add node4
expect 'node1: no other may be added before node4 has started' 1 '*has no leader*' ctl member add other http://127.0.0.1:1
join node4
on node4
step 0 'from node1' get /from/node1
step 0 'from node4' set /from/node4 'from node4'

# --- node2 removed, started again on its old data, wiped, added again --------------

on node3
remove node2
relaunch node2
leaves node2 'removed and started again on its old data'
rm -r "${data[node2]}"
add node2
join node2
on node2
step 0 'from node4' get /from/node4

# --- The leader removed ------------------------------------------------------------

gone=$(know_leader)
on "$(others node1 "$gone" | head -n 1)"
remove "$gone"
rm -r "${data[$gone]}"
if is_etcd "$server"; then
	skip 'a write at once' 'etcd lets a leader go without another one'
else
	step 0 'still here' set /message 'still here'
fi
whole

# --- A member on another peer URL, and under another name ----------------------------

on "$(others node1 | head -n 1)"
moving=$(others "$at" | tail -n 1)
move "$moving" moved
step 0 'moved' set /message moved
on "$moving"
step_soon 0 'moved' get /message
terminate "$moving"
relaunch "$moving" --name renamed
called[$moving]=renamed
need "$moving"
whole

# --- Proxies in front ------------------------------------------------------------------

known=
for name in "${nodes[@]}"; do known+=${known:+,}${called[$name]:-$name}=${peer[$name]}; done
launch proxy "$server" -proxy on -listen-client-urls "${client[proxy]}" -initial-cluster "$known"
launch readonly "$server" --proxy readonly --listen-client-urls "${client[readonly]}" --initial-cluster "$known"
need proxy readonly
on proxy
step 0 'through' set /proxied/a through
step 0 'through' get --quorum /proxied/a
step_soon 0 '/proxied/a' ls /proxied
step 4 'Error:  105: Key already exists (/proxied/a) \[*\]' mk /proxied/a again
whole
watched=$(for name in "${nodes[@]}"; do echo "${client[$name]}"; done)
background "$work/watch" watch /proxied/w
step 0 'seen' set /proxied/w seen
finish 'proxy: etcdctl watch brings the event' 0 'seen' "$work/watch"
watched=
soon 'proxy: curl /v2/config/local/proxy' 0 '{"endpoints":\["http*","http*","http*"\]}' ask "$url/v2/config/local/proxy"
on readonly
step_soon 0 'through' get /proxied/a
expect 'readonly: curl -XPUT is refused' 0 '501' put /proxied/a no
step 4 'Error:  client: *Not Implemented*' set /proxied/a no
step 0 'through' get --quorum /proxied/a

# --- A rolling restart under a writer -----------------------------------------------------

on "${nodes[0]}"
writing /roll
for name in "${nodes[@]}"; do
	wait_for has_written $(($(written) + 30))
	terminate "$name"
	relaunch "$name"
	need "$name"
done
wait_for has_written $(($(written) + 30))
enough /roll

# --- The leader killed under watches ---------------------------------------------------------

victim=$(know_leader)
another_leads() { led=$(leader) && [ "$led" != "$victim" ]; }
on "$(others "$victim" | head -n 1)"
background "$work/watch" watch --recursive --forever /kill
# shellcheck disable=SC2016 # for the shell that etcdctl starts
background "$work/exec-watch" exec-watch --recursive /kill -- sh -c 'echo $ETCD_WATCH_VALUE'
writing /kill
wait_for has_written 30
stop "$victim" KILL
before=$(written)
wait_for another_leads
report "$victim, who led, is killed, and another leads" "$(another_leads || echo "      '$led' leads")"
on proxy
step 0 'goes on' set /proxied/a 'goes on'
step 0 'goes on' get --quorum /proxied/a
on "$(others "$victim" | head -n 1)"
wait_for has_written $((before + 30))
relaunch "$victim"
need "$victim"
enough /kill
# A write that was tried twice may have been done twice.
in_order() { diff <(seq "$(written)") <(grep -v '^\[' "$work/watch" | uniq) | head -n 5; }
in_any_order() { diff <(seq "$(written)") <(sort -nu "$work/exec-watch") | head -n 5; }
soon "$at: etcdctl watch missed nothing" 0 '' in_order
soon "$at: etcdctl exec-watch missed nothing" 0 '' in_any_order
interrupt "$at: etcdctl watch ends on SIGINT" 1 '*' "$work/watch"
interrupt "$at: etcdctl exec-watch ends on SIGINT" 1 '*' "$work/exec-watch"
whole

# --- One of two stopped -----------------------------------------------------------------------

on "$(others node1 | head -n 1)"
remove "$(others "$at" | tail -n 1)"
other=$(others "$at")
step 0 'here' set /message here
terminate "$other"
soon "$at: curl /health of one of two" 0 '{"health":"false"}'"$nl"'503' health
put /message late >"$work/put" 2>&1 &
putting=$!
get '/message?quorum=true' >"$work/get" 2>&1 &
getting=$!
step 0 'here' get /message
expect "$at: curl reads" 0 '{"action":"get","node":{"key":"/message","value":"here",*}}*200' get /message
step 5 "*member * is unhealthy: got unhealthy result from ${client[$at]}*cluster is unavailable" cluster-health
step 5 "*member * is unreachable: [[]${client[$other]}] are all unreachable*cluster is unavailable" cluster-health
step 1 'Failed to get leader: *' member list
step 4 'Error:  client: etcd cluster is unavailable or misconfigured; *exceeded header timeout*' set /message late
refusal='{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out*","index":*}*500'
wait $putting
compare "$at: curl -XPUT is refused" 0 "$refusal" $? "$(cat "$work/put")"
wait $getting
compare "$at: curl with quorum=true is refused" 0 "$refusal" $? "$(cat "$work/get")"
relaunch "$other"
need "$other" "$at"
whole
step 0 'again' set /message again

# --- One of two lost for good -----------------------------------------------------------------

stop "$other" KILL
rm -r "${data[$other]}"
mapfile -t nodes < <(others "$other")
terminate "$at"
relaunch "$at" --force-new-cluster
need "$at"
whole
step 0 'again' get /message
step 0 'alone' set /message alone
move "$at" rescued --force-new-cluster=false
add "$other"
join "$other"
on "$other"
step 0 'alone' get /message
step 0 'together' set /message together

conclude
