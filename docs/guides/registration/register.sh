#!/bin/sh
# Runs a service, and keeps it in the registry while it lives.
#
#   register.sh KEY VALUE COMMAND [ARGUMENT...]
#
# From the environment:
#   TTL     seconds until a service that died is gone from the registry (10)
#   CHECK   a command that succeeds while the service is fit for use (true)
#   DRAIN   seconds from leaving the registry to being stopped (0)
#   ETCDCTL_ENDPOINTS   the members, with commas (http://127.0.0.1:2379)
#
# SIGTERM or SIGINT: leaves the registry, waits, stops the service. The exit code
# is the service's.
set -eu
key=$1 value=$2
shift 2
ttl=${TTL:-10} check=${CHECK:-true} drain=${DRAIN:-0}
members=$(echo "${ETCDCTL_ENDPOINTS:-http://127.0.0.1:2379}" | tr , ' ')
beat=$(awk "BEGIN { print $ttl / 3 }") # two heartbeats may be lost

# ask METHOD FORM... asks one member after the other, and prints the status of
# the first answer that is not a member's own trouble; 000 if there is none.
ask() {
	method=$1
	shift
	for member in $members; do
		code=$(curl -s -o /dev/null -w '%{http_code}' --max-time "$beat" \
			-X "$method" "$member/v2/keys$key" "$@") || continue
		[ "$code" -ge 500 ] || { echo "$code"; return; }
	done
	echo 000
}

# enter writes the key, which wakes those who watch.
enter() {
	case $(ask PUT -d ttl="$ttl" --data-urlencode value="$value") in
	20?) registered=y ;;
	*) echo "$key: cannot be registered yet" >&2 ;;
	esac
}

# renew lengthens the key's life, which wakes nobody.
renew() {
	case $(ask PUT -d refresh=true -d ttl="$ttl" --data-urlencode prevValue="$value") in
	200) ;;
	404) enter ;; # it has expired: the members could not be reached for too long
	412) echo "$key: somebody else has registered under this name" >&2 ;;
	*) echo "$key: no member answers; trying again" >&2 ;;
	esac
}

# leave removes the key if it is still ours.
leave() {
	registered=
	ask DELETE -G --data-urlencode prevValue="$value" >/dev/null
}

# keep sees to the key for as long as it can.
keep() {
	registered=
	while kill -0 $$ 2>/dev/null; do
		if ! $check >/dev/null 2>&1; then
			[ -z "$registered" ] || leave
		elif [ -n "$registered" ]; then
			renew
		else
			enter
		fi
		pause=$beat
		[ -n "$registered" ] || pause=0.5 # it may be about to be fit
		sleep "$pause" >/dev/null 2>&1
	done
}

# retire takes the service out of the registry.
retire() {
	{ kill -KILL "$keeper"; wait "$keeper"; } 2>/dev/null || :
	leave
}

# shellcheck disable=SC2317 # the trap calls it
stop() {
	retired=y
	retire
	sleep "$drain"
	kill "$service" 2>/dev/null || :
}

"$@" &
service=$!
keep &
keeper=$!
retired=
trap stop INT TERM
# A signal ends the waiting, and not what is waited for.
until
	wait "$service" 2>/dev/null && status=0 || status=$?
	! kill -0 "$service" 2>/dev/null
do :; done
[ -n "$retired" ] || retire
exit "$status"
