#!/bin/sh
# Prints who leads, as soon as that changes: a name, or "nobody".
#
#   follow.sh KEY
set -eu
key=$1
last=
while :; do
	if answer=$(etcdctl2 -o extended get --quorum "$key" 2>&1); then
		index=$(echo "$answer" | sed -n 's/^Modified-Index: //p')
		leader=$(echo "$answer" | tail -n 1)
	elif index=$(echo "$answer" | sed -n 's/.* 100: .*\[\([0-9]*\)\]$/\1/p') && [ -n "$index" ]; then
		leader=nobody
	else
		echo "$answer" >&2
		sleep 1
		continue
	fi
	[ "$leader" = "$last" ] || echo "${leader%% *}"
	last=$leader
	timeout 60 etcdctl2 watch --after-index "$index" "$key" >/dev/null 2>&1 || sleep 0.2
done
