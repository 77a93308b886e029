#!/bin/sh
# Takes jobs from a queue, the oldest first, and runs a command for each.
#
#   worker.sh QUEUE TTL COMMAND [ARGUMENT...]
#
# Jobs are keys made in order in QUEUE/jobs. A job is claimed by a lock with its
# name in QUEUE/claims, which outlives a worker that died by TTL seconds at most.
# The command finds the job's value in $JOB and a fencing token in $FENCE. A job
# whose command fails goes to QUEUE/failed; one whose worker is stopped stays.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
queue=$1 ttl=$2
shift 2
for dir in jobs claims failed; do
	etcdctl2 mkdir "$queue/$dir" >/dev/null 2>&1 || : # it may be there
done

child=''
trap 'end_child; wait "$child" || :; exit 143' INT TERM

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

while :; do
	# The index first, then the jobs: what comes in between is seen by the watch.
	index=$(etcdctl2 -o extended ls --quorum "$queue" | sed -n 's/^Index: //p')
	if ! jobs=$(etcdctl2 ls --quorum --sort "$queue/jobs"); then
		run sleep 1
		continue
	fi
	worked=
	for job in $jobs; do
		name=${job##*/}
		status=0
		run "$here/../lock/lock.sh" -n "$queue/claims/$name" "$ttl" "$here/job.sh" "$queue" "$name" "$@" || status=$?
		[ "$status" = 75 ] || { worked=y; break; } # 75: somebody else has it
	done
	[ -n "$worked" ] || run timeout 60 etcdctl2 watch --recursive --after-index "$index" "$queue" >/dev/null 2>&1 || run sleep 0.2
done
