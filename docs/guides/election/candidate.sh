#!/bin/sh
# Stands for leadership, and runs a command while it leads.
#
#   candidate.sh KEY NAME TTL COMMAND [ARGUMENT...]
#
# Leadership is a lock held for as long as one lives: see the guide on locks. The
# command is stopped when leadership is lost; when it ends by itself, somebody
# else may lead. The number of the term is in $FENCE.
set -eu
lock=$(dirname "$0")/../lock/lock.sh
key=$1 name=$2 ttl=$3
shift 3
stop='' child=''
trap 'stop=y; end_child' INT TERM

# end_child has it stop. One that has been made and not begun would not hear it.
end_child() {
	while cmp -s "/proc/$$/cmdline" "/proc/$child/cmdline"; do sleep 0.05; done
	kill "$child" 2>/dev/null || :
}

while [ -z "$stop" ]; do
	HOLDER=$name "$lock" "$key" "$ttl" "$@" &
	child=$!
	while kill -0 "$child" 2>/dev/null; do wait "$child" || :; done
	[ -n "$stop" ] || sleep 0.2 # the others first
done
