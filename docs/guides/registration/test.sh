#!/bin/bash
# The guide on registration: run by docs/guides/run.sh.
# shellcheck source-path=SCRIPTDIR source=../testing.sh
. "$(dirname "$0")/../testing.sh"

members 3
key=/services/web/one
export TTL=3 DRAIN=1
start watch etcdctl2 watch --forever --recursive /services
step "somebody watches" watchers 1

start service "$here/register.sh" $key 192.0.2.1:8000 sleep 1000
step "a service that starts is registered" is $key 192.0.2.1:8000
created=$(field $key Created-Index)
modified=$(field $key Modified-Index)

deadline=$((SECONDS + 2 * TTL + 1))
while [ $SECONDS -lt $deadline ]; do
	is $key 192.0.2.1:8000 || fail "it stays registered for longer than its TTL"
	sleep 0.2
done
check "it stays registered for longer than its TTL" is $key 192.0.2.1:8000
check "by heartbeats, which change modifiedIndex" test "$(field $key Modified-Index)" -gt "$modified"
check "and not createdIndex" test "$(field $key Created-Index)" = "$created"
check "watchers do not hear of heartbeats" counts watch.log $key 1

kill_leader
deadline=$((SECONDS + 2 * TTL + 1))
while [ $SECONDS -lt $deadline ]; do
	! gone $key || fail "it stays registered when the server that leads is killed"
	sleep 0.2
done
check "it stays registered when the server that leads is killed" is $key 192.0.2.1:8000
check "which no watcher hears of, either" counts watch.log $key 1
serve "$killed"
step "the server is back" healthy "${nodes[@]}"

began=$(clock)
send_all KILL service
step "a service whose machine dies is gone" gone $key
took=$(($(clock) - began))
check "within its TTL and half a second ($took ms)" test $took -le $((TTL * 1000 + 500))
step "watchers see it expire" has watch.log "[expire] $key"

start service "$here/register.sh" $key 192.0.2.1:8000 sleep 1000
step "it is registered when it starts again" is $key 192.0.2.1:8000
pkill -KILL -P "${process[service]}" -x -f 'sleep 1000'
patience=1 step "a service that crashes is gone at once" gone $key
step "and its exit code is told" ended service
check "which is that of a kill" test "$code" = 137

start service "$here/register.sh" $key 192.0.2.1:8000 sleep 1000
step "it is registered" is $key 192.0.2.1:8000
began=$(clock)
send TERM service
patience=1 step "a service that is stopped is gone at once" gone $key
check "and still runs, for what is under way" runs service "sleep 1000"
step "until it has drained" ended service
took=$(($(clock) - began))
check "for a second ($took ms)" test $took -ge 1000
step "watchers see it removed" has watch.log "[compareAndDelete] $key"

touch "$work/fit"
CHECK="test -e $work/fit" start service "$here/register.sh" $key 192.0.2.1:8000 sleep 1000
step "a service that is fit for use is registered" is $key 192.0.2.1:8000
rm "$work/fit"
step "one that is not, is not" gone $key
touch "$work/fit"
step "and is again when it recovers" is $key 192.0.2.1:8000

start newer "$here/register.sh" $key 192.0.2.2:8000 sleep 1000
step "another of the same name takes its place" is $key 192.0.2.2:8000
send TERM service
step "when the first one stops" ended service
check "the second one stays" is $key 192.0.2.2:8000
send KILL newer
step "register.sh alone is killed: nobody renews the key any more" gone $key
