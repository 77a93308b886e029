#!/bin/bash
# The guide on locks: run by docs/guides/run.sh.
# shellcheck source-path=SCRIPTDIR source=../testing.sh
. "$(dirname "$0")/../testing.sh"
export PATH="$here:$PATH"

members 3
key=/locks/report

# Adds one to a number, with time for others to come in between.
cat >"$work/add.sh" <<'ADD'
number=$(cat "$1")
sleep 0.1
echo $((number + 1)) >"$1"
echo "$FENCE" >>"$1.tokens"
ADD
echo 0 >"$work/number"
# shellcheck disable=SC2016 # for the inner shell
for n in 1 2 3; do
	HOLDER=contender$n start contender$n sh -c \
		'for i in 1 2 3 4 5; do lock.sh "$1" 5 sh "$2/add.sh" "$2/number" || exit; done' - $key "$work"
done
for n in 1 2 3; do
	step "contender $n has had the lock five times" ended contender$n
	check "and ended well" test "$code" = 0
done
check "nobody came in between: 15 times one is 15" test "$(cat "$work/number")" = 15
check "each had a token of their own" test "$(sort -u "$work/number.tokens" | wc -l)" = 15
check "and each a larger one than the one before" sort -n -c "$work/number.tokens"

start holder lock.sh $key 2 sh -c "echo \$FENCE >$work/token; sleep 1000"
step "somebody has the lock" there $key
step "and a token" test -s "$work/token"
created=$(field $key Created-Index)
step "renewing changes modifiedIndex" sh -c "[ \$(etcdctl2 -o extended get --quorum $key | sed -n 's/^Modified-Index: //p') -gt $created ]"
check "createdIndex stays" test "$(field $key Created-Index)" = "$created"
check "and is the token" test "$(cat "$work/token")" = "$created"
lock.sh -n $key 2 true 2>/dev/null && code=0 || code=$?
check "who does not want to wait is told with exit code 75" test "$code" = 75

kill_leader
sleep 3
check "the lock is held when the server that leads is killed" test "$(field $key Created-Index)" = "$created"
serve "$killed"
step "the server is back" healthy "${nodes[@]}"

start next lock.sh $key 2 true
step "somebody waits" watchers 1
began=$(clock)
send TERM holder
step "when the holder ends" ended next
took=$(($(clock) - began))
check "the next one gets the lock at once ($took ms)" test $took -lt 1000
step "the holder has ended" ended holder

# The paused holder: it has the lock, stops for longer than its TTL, and writes.
echo nothing >"$work/file"
# It does not listen to SIGTERM, which may come before or after its write.
start paused lock.sh $key 2 sh -c "trap '' TERM; touch $work/inside
	while [ ! -e $work/go ]; do sleep 0.1; done
	echo late | write.sh $work/file \$FENCE"
step "the first holder is about to write" test -e "$work/inside"
send_all STOP paused
start second lock.sh $key 2 sh -c "echo second | write.sh $work/file \$FENCE"
step "it is stopped; its lock expires, the second one gets it" ended second
check "and writes" test "$(cat "$work/file")" = second
touch "$work/go"
send_all CONT paused
step "the first one goes on, and its write is refused by the fence" has paused.log "refused: token"
check "so nothing is written over" test "$(cat "$work/file")" = second
step "it is told that the lock is lost" ended paused
check "with exit code 75" test "$code" = 75
check "and a reason" has paused.log "the lock $key was lost"

start holder lock.sh $key 2 sleep 1000
step "somebody has the lock" there $key
send KILL holder
step "lock.sh alone is killed: nobody renews the lock" gone $key
check "and its command is stopped" not pgrep -g "${process[holder]}" -x -f 'sleep 1000'

start holder lock.sh $key 3 sleep 1000
step "somebody has the lock again" there $key
for node in "${nodes[@]}"; do send STOP "$node"; done
began=$(clock)
step "a holder that reaches no server stops its command" not runs holder "sleep 1000"
took=$(($(clock) - began))
check "before others can have the lock ($took ms, TTL 3 s)" test $took -lt 3000
step "and ends itself" ended holder
