#!/bin/sh
# A resource with a fence: replaces FILE with what it reads, unless somebody with
# a larger token has written before.
#
#   write.sh FILE TOKEN <CONTENT
set -eu
file=$1 token=$2
exec 9>>"$file.fence"
flock 9 # one at a time
newest=$(cat "$file.fence")
if [ "$token" -lt "${newest:-0}" ]; then
	echo "refused: token $token is older than $newest" >&2
	exit 1
fi
echo "$token" >"$file.fence"
cat >"$file.new"
mv "$file.new" "$file"
