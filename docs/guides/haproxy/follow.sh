#!/bin/bash
# Runs render.sh at the start, and whenever something changes among the services.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
services=${SERVICES:-/services}

# render tries until the services could be read.
render() { until "$here/render.sh"; do sleep 1; done; }

watch=
trap '[ -z "$watch" ] || kill "$watch" 2>/dev/null; exit 143' INT TERM
while :; do
	etcdctl2 mkdir "$services" >/dev/null 2>&1 || : # it may be there
	# The index first: what changes while this renders is then an event to come.
	index=$(etcdctl2 -o extended ls --quorum "$services" | sed -n 's/^Index: //p')
	if [ -n "$index" ]; then
		render
		# Each line is a reason to look: also what exec-watch says itself, when a
		# whole directory has gone.
		exec 3< <(exec etcdctl2 exec-watch --recursive --after-index "$index" "$services" -- echo changed 2>&1)
		watch=$!
		while read -r line <&3; do
			[ "$line" = changed ] || echo "$line" >&2
			# Changes come in swarms: wait until it is quiet, but not for long.
			enough=$((SECONDS + 2))
			while [ "$SECONDS" -lt "$enough" ] && read -r -t 0.2 line <&3; do :; done
			render
		done
		exec 3<&-
	fi
	# It ends when it cannot tell what happened: so all is read anew.
	sleep 1
done
