#!/bin/bash
# Does what the guides say, each with servers of its own: those with scripts have
# a test, the commands of the others are run as they stand on the page. Needs
# Debian's haproxy, python3-etcd, etcd-server, etcd-client, openssl and iproute2.
#
#   docs/guides/run.sh BIN [GUIDE...]
#
# BIN is the directory with keytree and etcdctl2. Prints a line for each step;
# fails if a guide does.

set -u
here=$(cd "$(dirname "$0")" && pwd)
limit=120 # seconds for one guide
[ $# -gt 0 ] || { echo "usage: $0 BIN [GUIDE...]" >&2; exit 2; }
GUIDES_BIN=$(cd "$1" && pwd) || exit 2
export GUIDES_BIN PATH="$GUIDES_BIN:/usr/sbin:$PATH"
shift
[ $# -gt 0 ] || set -- registration lock election queue haproxy app-configuration \
	from-etcd clusters repair backup security monitoring tuning
for name in keytree etcdctl2; do
	[ -x "$GUIDES_BIN/$name" ] || { echo "there is no $GUIDES_BIN/$name" >&2; exit 2; }
done

running=
trap '[ -z "$running" ] || kill "$running"; wait; exit 130' INT TERM HUP
failed=
for guide in "$@"; do
	printf '%s\n' "--- $guide"
	began=$SECONDS
	try=("$here/play.py" "$GUIDES_BIN" "$here/$guide.md")
	[ ! -e "$here/$guide/test.sh" ] || try=("$here/$guide/test.sh")
	timeout -k 10 "$limit" "${try[@]}" &
	running=$!
	if wait "$running"; then
		printf '%s\n' "--- $guide: passed in $((SECONDS - began)) s"
	else
		printf '%s\n' "--- $guide: FAILED after $((SECONDS - began)) s"
		failed="$failed $guide"
	fi
	running=
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
echo "all guides do what they say"
