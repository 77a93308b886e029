#!/bin/bash
# A day's work of Debian's etcdctl in its v2 mode, against the server at a URL.
#
#   day.sh http://127.0.0.1:2379
#
# Prints a line per step; fails if any step went wrong. All keys lie below
# /day-PID, which is removed at the end.

# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$(dirname "$0")/steps.sh"
url=${1:?usage: day.sh URL}
base=/day-$$
trap 'ctl rm --recursive "$base" >/dev/null 2>&1; tidy' EXIT

is_gone() { ! ctl get "$1" >/dev/null 2>&1; }
index_of() { ctl -o extended get "$1" | sed -n 's/^Modified-Index: //p'; }

# Keys.
step 0 'one' set $base/a one
step 0 'one' get $base/a
step 0 'two' set $base/a two
step 0 'Key: */a'"$nl"'Created-Index: *'"$nl"'Modified-Index: *'"$nl"'TTL: 0'"$nl"'Index: *'"$nl$nl"'two' -o extended get $base/a
step 0 '{"action":"get","node":{"key":"*/a","value":"two","nodes":null,"createdIndex":*,"modifiedIndex":*},"prevNode":null}' -o json get $base/a
step 0 '{"action":"set",*"value":"three",*"prevNode":{*"value":"two",*}}' -o json set $base/a three
step 0 'three' get --quorum $base/a
step 4 'Error:  100: Key not found (*/none) \[*\]' get $base/none
step 1 'Error:  key required' get
step 0 'x < y & "z" é' set $base/odd 'x < y & "z" é'
step 0 'x < y & "z" é' get $base/odd
step 0 'v' set "$base/with blank/é?#%" v
step 0 'v' get "$base/with blank/é?#%"
compare 'a value from standard input' 0 'from a pipe' "$(printf 'from a pipe' | ctl set $base/pipe >/dev/null; echo $?)" "$(ctl get $base/pipe)"

# Making and updating.
step 0 'new' mk $base/made new
step 4 'Error:  105: Key already exists (*/made) \[*\]' mk $base/made again
step 0 'newer' update $base/made newer
step 4 'Error:  100: Key not found (*/none) \[*\]' update $base/none x
step 0 'first' mk --in-order $base/queue first
step 0 'second' mk --in-order $base/queue second
step 0 '*/queue/????????????????????'"$nl"'*/queue/????????????????????' ls --sort $base/queue

# Compare and swap.
step 0 'four' set --swap-with-value three $base/a four
step 4 'Error:  101: Compare failed (\[three != four\]) \[*\]' set --swap-with-value three $base/a five
step 0 'five' set --swap-with-index "$(index_of $base/a)" $base/a five
step 4 'Error:  101: Compare failed (\[1 != *\]) \[*\]' set --swap-with-index 1 $base/a six

# Directories.
step 0 '' mkdir $base/dir
step 4 'Error:  105: Key already exists (*/dir) \[*\]' mkdir $base/dir
step 0 '' setdir $base/dir2
step 4 'Error:  102: Not a file (*/dir2) \[*\]' setdir $base/dir2
step 0 '' updatedir --ttl 100 $base/dir2
step 0 '*TTL: [19]*' -o extended ls $base/dir2
step 0 'x' set $base/dir/sub/x x
step 0 'y' set $base/dir/y y
step 0 'hidden' set $base/dir/_h hidden
step 0 "$base/dir/sub$nl$base/dir/y" ls --sort $base/dir
step 0 "$base/dir/sub/$nl$base/dir/sub/x$nl$base/dir/y" ls --sort -r -p $base/dir
step 0 'hidden' get $base/dir/_h
step 1 "*/dir: is a directory" get $base/dir
step 4 'Error:  102: Not a file (*/dir) \[*\]' set $base/dir value
step 4 'Error:  104: Not a directory (*/a) \[*\]' set $base/a/below value
step 4 'Error:  108: Directory not empty (*/dir) \[*\]' rmdir $base/dir
step 0 '' rmdir $base/dir2

# Time to live.
step 0 'short' set --ttl 1 $base/short short
step 0 '*TTL: 1*' -o extended set --ttl 1 $base/shorter x
wait_for is_gone $base/short
step 4 'Error:  100: Key not found (*/short) \[*\]' get $base/short
step 0 '' mkdir --ttl 1 $base/shortdir
step 0 'child' set $base/shortdir/child child
wait_for is_gone $base/shortdir/child
step 4 'Error:  100: Key not found (*/shortdir) \[*\]' ls $base/shortdir
step 0 'long' set --ttl 1000 $base/long long
step 0 '*"ttl":1000*' -o json update --ttl 1000 $base/long longer
step 0 '*"prevNode":{*"ttl":*' -o json update $base/long forever
step 0 '*TTL: 0*' -o extended get $base/long

# Watching.
background "$work/out" watch $base/w
step 0 '1' set $base/w 1
finish 'watch brings one event and ends' 0 '1' "$work/out"
since=$(index_of $base/w)
step 0 '2' set $base/w 2
step 0 '3' set $base/w 3
step 0 '2' watch --after-index "$since" $base/w
background "$work/out" watch --recursive --forever $base/tree
step 0 'a' set $base/tree/a a
step 0 'b' update $base/tree/a b
step 0 'c' set --swap-with-value b $base/tree/a c
step 0 'n' mk $base/tree/n n
step 0 '' rm --with-value c $base/tree/a
step 0 'PrevNode.Value: n' rm $base/tree/n
step 0 't' set --ttl 1 $base/tree/t t
interrupt 'watch --recursive --forever brings all events, the expiry too' 16 \
	"\[set\] $base/tree/a${nl}a$nl\[update\] $base/tree/a${nl}b$nl\[compareAndSwap\] $base/tree/a${nl}c$nl\[create\] $base/tree/n${nl}n$nl\[compareAndDelete\] $base/tree/a$nl$nl\[delete\] $base/tree/n${nl}PrevNode.Value: n$nl\[set\] $base/tree/t${nl}t$nl\[expire\] $base/tree/t" "$work/out"
background "$work/out" watch --forever --after-index "$since" $base/w
step 0 '4' set $base/w 4
interrupt 'watch --forever --after-index replays and follows' 3 "2${nl}3${nl}4" "$work/out"
# shellcheck disable=SC2016 # for the shell that etcdctl starts
background "$work/out" exec-watch --recursive $base/x -- sh -c 'echo "$ETCD_WATCH_ACTION $ETCD_WATCH_KEY=$ETCD_WATCH_VALUE"'
step 0 '1' set $base/x/one 1
wait_for has_lines "$work/out" 1
step 0 'PrevNode.Value: 1' rm $base/x/one
interrupt 'exec-watch runs a command for each event' 2 "set $base/x/one=1${nl}delete $base/x/one=" "$work/out"

# Removing.
step 0 'PrevNode.Value: newer' rm $base/made
step 4 'Error:  100: Key not found (*/made) \[*\]' rm $base/made
step 4 'Error:  101: Compare failed (\[wrong != five\]) \[*\]' rm --with-value wrong $base/a
step 0 '' rm --with-index "$(index_of $base/a)" $base/a
step 4 'Error:  102: Not a file (*/dir) \[*\]' rm $base/dir
step 0 '' rm -r $base/dir
step 4 'Error:  107: Root is read only (/) \[*\]' rm -r /

# The cluster.
step 0 'member * is healthy: got healthy result from *'"$nl"'cluster is healthy' cluster-health
step 0 '*: name=* peerURLs=http* clientURLs=http* isLeader=true' member list

conclude
