#!/bin/sh
# Looks for known vulnerabilities in what is linked in. Where the database
# cannot be reached the check says so and is left out.
set -u
out=$(go run "$1" ./... 2>&1)
code=$?
case "$code:$out" in
0:*) exit 0 ;;
*"fetching vulnerabilities"*)
	echo "govulncheck left out: its database cannot be reached from here"
	exit 0
	;;
esac
printf '%s\n' "$out"
exit "$code"
