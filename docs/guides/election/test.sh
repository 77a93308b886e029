#!/bin/bash
# The guide on leader election: run by docs/guides/run.sh.
# shellcheck source-path=SCRIPTDIR source=../testing.sh
. "$(dirname "$0")/../testing.sh"
export PATH="$here:$PATH"

members 3
key=/election/scheduler
ttl=2
# Who leads says so ten times a second, with the number of the term.
lead="while echo \$NAME \$FENCE; do sleep 0.1; done >>$work/leading"

stand() { NAME=$1 start "$1" candidate.sh $key "$1" $ttl sh -c "$lead"; }

# leads prints the candidate that leads; followers know that one.
leads() {
	local value
	value=$(etcdctl2 get --quorum $key 2>/dev/null) && echo "${value%% *}"
}
has_leader() { leads >/dev/null; }
# is_another NAME: somebody else leads, whose name is in $now.
is_another() { now=$(leads) && [ "$now" != "$1" ]; }
last_follow() { [ "$(tail -n 1 "$work/follow.log")" = "$1" ]; }
works() { tail -n 1 "$work/leading" | grep -q "^$1 "; }

start follow follow.sh $key
step "nobody leads" has follow.log nobody
for name in a b c; do stand $name; done
step "one of three candidates leads" has_leader
first=$(leads)
step "its command runs" works "$first"
step "and followers know" last_follow "$first"

began=$(clock)
send_all KILL "$first"
step "the leader's machine dies: another one leads" is_another "$first"
took=$(($(clock) - began))
second=$now
check "as soon as its time is up ($took ms, TTL $ttl s)" test $took -le $((ttl * 1000 + 1000))
step "its command runs" works "$second"
step "and followers know" last_follow "$second"

began=$(clock)
send TERM "$second"
step "the leader is stopped: another one leads" is_another "$second"
took=$(($(clock) - began))
third=$now
check "at once ($took ms)" test $took -lt 1000
step "its command runs" works "$third"
step "and followers know" last_follow "$third"
step "the one that was stopped has ended" ended "$second"

stand "$first"
stand "$second"
kill_leader
deadline=$((SECONDS + 2 * ttl))
while [ $SECONDS -lt $deadline ]; do
	now=$(leads) || now=$third
	[ "$now" = "$third" ] || fail "the server that leads is killed: the same candidate leads"
	sleep 0.1
done
check "the server that leads is killed: the same candidate leads" works "$third"
serve "$killed"
step "the server is back" healthy "${nodes[@]}"

send_all STOP "$third"
step "the leader is paused: another one leads" is_another "$third"
fourth=$now
step "its command runs" works "$fourth"
send_all CONT "$third"
step "the paused one hears that it does not lead any more" has "$third.log" "the lock $key was lost"
sleep 0.5
count=$(grep -c "^$third " "$work/leading")
sleep 0.5
check "its command is stopped" test "$(grep -c "^$third " "$work/leading")" = "$count"

# terms: each number belongs to one name.
terms() { ! sort -u "$work/leading" | awk '{print $2}' | sort | uniq -d | grep -q .; }
check "no two led in the same term" terms
check "four terms were led" test "$(awk '{print $2}' "$work/leading" | sort -u | wc -l)" = 4
for name in a b c; do send TERM $name; done
step "when all are stopped nobody leads" last_follow nobody
