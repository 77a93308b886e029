#!/bin/sh
# Runs a command while it holds a lock.
#
#   lock.sh [-n] KEY TTL COMMAND [ARGUMENT...]
#
# Who creates the key has the lock, and keeps it by renewing the key, three times
# in TTL seconds. The command finds a fencing token in $FENCE: a number larger
# than that of everybody who had the lock before.
#
# From the environment:
#   HOLDER   a name without blanks, for people who look at the key (the machine's)
#   ETCDCTL_ENDPOINTS   the members, with commas (http://127.0.0.1:2379)
#
# Exit code: the command's; 75 if the lock was lost, and the command stopped; with
# -n also if somebody else has the lock.
set -eu
patient=y
[ "$1" != -n ] || { patient=; shift; }
key=$1 ttl=$2
shift 2
members=$(echo "${ETCDCTL_ENDPOINTS:-http://127.0.0.1:2379}" | tr , ' ')
# Nobody else writes this value, not even this script when it is run again.
me="${HOLDER:-$(uname -n)} $$ $(od -An -N8 -tx8 /dev/urandom | tr -d ' ')"
beat=$(awk "BEGIN { print $ttl / 3 }")
try=$(awk "BEGIN { print $ttl / 3 / $(echo "$members" | wc -w) }")

# now prints the time in hundredths of a second, by a clock that nobody sets.
now() { cut -d ' ' -f 1 /proc/uptime | tr -d .; }

# run runs a program so that a signal ends it, too.
run() {
	"$@" &
	child=$!
	wait "$child"
}

# end_child has it stop. One that has been made and not begun would not hear it.
end_child() {
	while cmp -s "/proc/$$/cmdline" "/proc/$child/cmdline"; do sleep 0.05; done
	kill "$child" 2>/dev/null || :
}

# --- Taking the lock --------------------------------------------------------------

child=''
trap 'end_child; exit 143' INT TERM
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
while
	end=$(($(now) + ttl * 100))
	! run etcdctl2 -o extended mk --ttl "$ttl" "$key" "$me" >"$answer" 2>&1
do
	problem=$(cat "$answer")
	case $problem in
	*' 105: '*) # it exists; the number at the end is the index as of now
		[ -n "$patient" ] || exit 75
		index=${problem##*[}
		run timeout 60 etcdctl2 watch --after-index "${index%]*}" "$key" >/dev/null 2>&1 || run sleep 1
		;;
	*)
		echo "$problem" >&2
		run sleep 1
		;;
	esac
done
stop='' child=''
trap 'stop=y; end_child' INT TERM
FENCE=$(sed -n 's/^Modified-Index: //p' "$answer")
export FENCE

# --- Keeping it -------------------------------------------------------------------

# renew asks one member after the other to let the key live longer, and prints the
# status of the first answer that is not a member's own trouble.
renew() {
	for member in $members; do
		status=$(curl -s -o /dev/null -w '%{http_code}' --max-time "$try" -X PUT "$member/v2/keys$key" \
			-d refresh=true -d ttl="$ttl" --data-urlencode prevValue="$me") || continue
		[ "$status" -ge 500 ] || { echo "$status"; return; }
	done
}

# keep renews the lock for as long as it can. When the lock is lost, or will be
# before there is another answer, it stops the command.
keep() {
	pause=$beat
	while sleep "$pause" >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
		asked=$(now) pause=$beat
		case $(renew) in
		200) end=$((asked + ttl * 100)) ;;
		404 | 412) break ;;
		*)
			[ $(($(now) + ttl * 100 / 3)) -lt "$end" ] || break
			pause=0.1
			;;
		esac
	done
	echo "the lock $key cannot be renewed: stopping" >&2
	end_child
}

"$@" &
child=$!
[ -z "$stop" ] || end_child
keep &
keeper=$!
# A signal ends the waiting, and not what is waited for.
until
	wait "$child" 2>/dev/null && status=0 || status=$?
	! kill -0 "$child" 2>/dev/null
do :; done
{ kill -KILL "$keeper"; wait "$keeper"; } 2>/dev/null || :

# --- Giving it back ---------------------------------------------------------------

# Only if it is ours: it may have been lost while the command ended.
if ! etcdctl2 rm --with-value "$me" "$key" >/dev/null 2>"$answer"; then
	if grep -q -e ' 100: ' -e ' 101: ' "$answer"; then
		echo "the lock $key was lost" >&2
		exit 75
	fi
	cat "$answer" >&2 # nobody answers: the lock ends by itself
fi
exit "$status"
