#!/bin/sh
# Writes the backends of HAProxy as they are registered, and has HAProxy take
# them over, if there is anything new. /services/web/one = 192.0.2.1:8000 is
# server "one" of backend "web".
#
# From the environment:
#   SERVICES   the directory of the services (/services)
#   CONFIG     the rest of HAProxy's configuration (/etc/haproxy/haproxy.cfg)
#   BACKENDS   the file that is written (/etc/haproxy/backends.cfg)
#   RELOAD     the command that makes HAProxy read both (systemctl reload haproxy)
#
# Exit code 1: could not be done now, and nothing is changed. What HAProxy does
# not accept is told, put aside and not used; as that does not get better by
# trying again, it is exit code 0.
set -eu
services=${SERVICES:-/services}
config=${CONFIG:-/etc/haproxy/haproxy.cfg}
backends=${BACKENDS:-/etc/haproxy/backends.cfg}
reload=${RELOAD:-systemctl reload haproxy}
new=$backends.new
trap 'rm -f "$new" "$new.keys"' EXIT

# With --quorum, because the member asked may be behind the one that told of the change.
etcdctl2 export --quorum "$services" >"$new.keys"

# What does not look like a name and an address is left out: services write keys,
# only this script writes configuration.
name='[A-Za-z0-9_.-]\{1,\}' address='[][A-Za-z0-9_.:-]\{1,\}:[0-9]\{1,5\}'
sed -n 's|^{"key":"'"$services"'/\('"$name"'\)/\('"$name"'\)","value":"\('"$address"'\)"[,}].*|\1 \2 \3|p' "$new.keys" |
	sort | awk '
		$1 != backend { backend = $1; print "\nbackend " backend }
		{ print "\tserver " $2 " " $3 }' >"$new"

! cmp -s "$new" "$backends" || exit 0
if ! problem=$(haproxy -c -f "$config" -f "$new" 2>&1); then
	printf '%s\n' "$problem" "HAProxy does not accept $backends.refused and goes on with what it has" >&2
	mv "$new" "$backends.refused"
	exit 0
fi
[ ! -e "$backends" ] || cp "$backends" "$backends.old"
mv "$new" "$backends"
if ! $reload; then
	[ ! -e "$backends.old" ] || mv "$backends.old" "$backends" # so that the next time there is something new
	exit 1
fi
echo "HAProxy has $(grep -c '^	server ' "$backends" || :) servers"
