#!/bin/sh
# Does one job, which the caller has claimed, and takes it off the queue.
#
#   job.sh QUEUE NAME COMMAND [ARGUMENT...]
set -eu
queue=$1 name=$2
shift 2
job=$queue/jobs/$name
read=$(etcdctl2 -o extended get --quorum "$job" 2>&1) || {
	case $read in *' 100: '*) exit 0 ;; esac # it was done between listing and claiming
	echo "$read" >&2
	exit 1
}
index=$(echo "$read" | sed -n '/^$/q; s/^Modified-Index: //p')
JOB=$(echo "$read" | sed '1,/^$/d') # the value follows an empty line
export JOB

stopped='' child=''
trap 'stopped=y; end_child' INT TERM

# end_child has it stop. One that has been made and not begun would not hear it.
end_child() {
	while cmp -s "/proc/$$/cmdline" "/proc/$child/cmdline"; do sleep 0.05; done
	kill "$child" 2>/dev/null || :
}

"$@" &
child=$!
[ -z "$stopped" ] || end_child
# A signal ends the waiting, and not what is waited for.
until
	wait "$child" 2>/dev/null && status=0 || status=$?
	! kill -0 "$child" 2>/dev/null
do :; done
if [ "$status" != 0 ]; then
	[ -z "$stopped" ] || exit "$status" # it stays in the queue, for somebody else
	etcdctl2 mk "$queue/failed/$name" "$JOB" >/dev/null
fi
# Compare and delete: a job that was changed meanwhile is done again.
etcdctl2 rm --with-index "$index" "$job" >/dev/null
