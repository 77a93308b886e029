#!/bin/bash
# The guide on queues: run by docs/guides/run.sh.
# shellcheck source-path=SCRIPTDIR source=../testing.sh
. "$(dirname "$0")/../testing.sh"

members 3
queue=/queue/mail
ttl=2
put() { etcdctl2 mk --in-order $queue/jobs "$1" >/dev/null; }
work_on() { start "$1" "$here/worker.sh" $queue $ttl sh -c "$2"; }
is_empty() { [ -z "$(etcdctl2 ls --quorum "$queue/$1")" ]; }
lines() { [ "$(wc -l <"$1")" = "$2" ]; }

for n in $(seq 1 5); do put "job $n"; done
touch "$work/finished" "$work/order"
work_on one "echo \"\$JOB\" >>$work/order"
step "a worker does the jobs that are there" lines "$work/order" 5
check "the oldest first" test "$(tr '\n' , <"$work/order")" = "job 1,job 2,job 3,job 4,job 5,"
step "and takes them off the queue" is_empty jobs
send TERM one
step "it stops" ended one

for name in one two three; do work_on $name "sleep 0.05; echo \"\$JOB\" by $name >>$work/finished"; done
for n in $(seq 1 30); do put "$n"; done
step "three workers do 30 jobs" lines "$work/finished" 30
check "each exactly once" test "$(awk '{print $1}' "$work/finished" | sort -n | tr '\n' ,)" = "$(seq 1 30 | tr '\n' ,)"
check "and share them" test "$(awk '{print $3}' "$work/finished" | sort -u | wc -l)" = 3
step "the queue is empty" is_empty jobs
step "no claim is left" is_empty claims
for name in one two three; do send TERM $name; done
for name in one two three; do step "worker $name stops" ended $name; done

: >"$work/finished"
work_on doomed "echo \"\$FENCE\" >>$work/begun; sleep 1000; echo \"\$JOB\" >>$work/finished"
put slow
step "a worker has begun a job" test -s "$work/begun"
work_on heir "echo \"\$FENCE\" >>$work/begun; echo \"\$JOB\" >>$work/finished"
sleep $((2 * ttl))
check "nobody else touches it for as long as it lives" lines "$work/begun" 1
put quick
step "other jobs are done meanwhile" has finished quick
began=$(clock)
send_all KILL doomed
step "its machine dies: another worker does the job" has finished slow
took=$(($(clock) - began))
check "as soon as the claim has expired ($took ms, TTL $ttl s)" test $took -le $((ttl * 1000 + 1000))
check "with a larger token" sort -n -c "$work/begun"
check "once" lines "$work/finished" 2
step "the queue is empty" is_empty jobs

send TERM heir
step "the worker stops" ended heir
rm "$work/begun"
work_on stopped "echo \$JOB >>$work/begun; exec sleep 1000"
put returned
step "a worker has begun a job" test -s "$work/begun"
send TERM stopped
step "it is stopped" ended stopped
check "and its command with it" not pgrep -g "${process[stopped]}" -x -f 'sleep 1000'
check "the job is in the queue" not is_empty jobs
check "and not claimed" is_empty claims
work_on heir "echo \"\$JOB\" >>$work/finished"
step "another worker does it" has finished returned

kill_leader
put after
step "the server that leads is killed: jobs are done all the same" has finished after
serve "$killed"
step "the server is back" healthy "${nodes[@]}"
send TERM heir
step "the worker stops" ended heir

work_on clumsy "[ \"\$JOB\" != bad ] && echo \"\$JOB\" >>$work/finished"
put bad
put good
step "a job that fails holds up nobody" has finished good
step "it is put aside" sh -c "etcdctl2 ls --recursive $queue/failed | grep -q ."
check "with its value" is "$(etcdctl2 ls $queue/failed)" bad
step "and off the queue" is_empty jobs
