# shellcheck shell=bash
# Machines in miniature, for scripts that source this after steps.sh: each has
# a network, addresses and a root directory of its own, so that what people
# have written down for theirs can be used as it is. On them are the server,
# as etcd and as keytree wherever people put it, etcdctl, curl and a shell.
#
# A script that wants machines calls need_machines first. It then runs again in
# namespaces of its own: whatever it leaves behind ends with it, and nothing of
# the machine it really runs on is seen from outside.

# shellcheck disable=SC2154 # work, nl and others are those of steps.sh
declare -A host=() # addresses, by machine
here=              # where curl and etcdctl are called

# need_machines SCRIPT ARGUMENT... comes back in there. If this machine does not
# allow that, the script ends well and says so.
need_machines() {
	local apart=(unshare --net --mount --pid --fork --kill-child --mount-proc) kept=${TMPDIR:-/tmp} inner code
	if [ -n "${MACHINES:-}" ]; then
		TMPDIR=$MACHINES_TMPDIR # for the logs that are kept
		ip link add switch type bridge && ip link set switch up || exit 1
		return
	fi
	for program in unshare nsenter ip; do
		command -v $program >/dev/null || { skip "$(basename "$1")" "there is no $program"; exit 0; }
	done
	"${apart[@]}" true 2>/dev/null || apart+=(--map-root-user)
	"${apart[@]}" true 2>/dev/null || { skip "$(basename "$1")" 'this machine does not allow network namespaces'; exit 0; }
	# A trap waits for what runs in the foreground, so nothing does.
	MACHINES=$work MACHINES_TMPDIR=$kept TMPDIR=$work "${apart[@]}" "$@" &
	inner=$!
	wait $inner
	code=$?
	exit $code
}

# furnish SERVER makes what all machines have in common.
furnish() {
	local at
	mkdir -p "$work/base"/{bin,dev,etc,opt,tmp,usr/bin,usr/local/bin,var}
	: >"$work/base/dev/null" # enough for programs that read it
	provide "$(command -v sh)" bin/sh
	for at in curl etcdctl nohup; do provide "$(command -v $at)" usr/bin/$at; done
	for at in usr/bin/etcd usr/bin/keytree usr/local/bin/etcd; do provide "$1" $at; done
}

# provide PROGRAM PATH puts it and its libraries on the machines.
provide() {
	cp -L "$1" "$work/base/$2" || exit 1
	ldd "$1" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		[ -e "$work/base$library" ] || cp -L --parents "$library" "$work/base" || exit 1
	done
}

# machine NAME ADDRESS
machine() {
	host[$1]=$2
	cp -al "$work/base" "$work/$1"
	printf '127.0.0.1 localhost\n' >"$work/$1/etc/hosts"
	: >"$MACHINES/$1.net"
	unshare --net="$MACHINES/$1.net" true &&
		wired "$1" ip link add eth0 type veth peer name "port${#host[@]}" netns $$ &&
		ip link set "port${#host[@]}" master switch up &&
		wired "$1" ip link set lo up &&
		wired "$1" ip link set eth0 up &&
		wired "$1" ip address add "$2/16" dev eth0 || exit 1
}

# move_machine NAME ADDRESS
move_machine() {
	wired "$1" ip address flush dev eth0 && wired "$1" ip address add "$2/16" dev eth0 || exit 1
	host[$1]=$2
}

# know NAME=MACHINE... lets these machines know each other by these names.
know() {
	local pair other
	for pair in "$@"; do
		printf '127.0.0.1 localhost\n' >"$work/${pair#*=}/etc/hosts"
		for other in "$@"; do
			printf '%s %s\n' "${host[${other#*=}]}" "${other%%=*}" >>"$work/${pair#*=}/etc/hosts"
		done
	done
}

wired() { nsenter --net="$MACHINES/$1.net" "${@:2}"; }
within() { wired "$1" chroot "$work/$1" "${@:2}"; }

# enter NAME: what follows is done there.
enter() { at=$1 here=$1; }

# These take the place of those in steps.sh.
ask() { within "$here" curl -sS --max-time 15 "$@"; }
ctl() { ETCDCTL_API=2 timeout --foreground -k 1 30 nsenter --net="$MACHINES/$here.net" chroot "$work/$here" etcdctl "${options[@]}" "$@"; }

# try PATTERN ARGUMENT... expects that of curl.
try() { expect "$here: curl ${*:2}" 0 "$1" ask "${@:2}"; }
try_soon() { soon "$here: curl ${*:2}" 0 "$1" ask "${@:2}"; }

# serve NAME MACHINE [VARIABLE=VALUE...] starts the command line it reads.
# shellcheck disable=SC2034 # pid is for steps.sh
serve() {
	local line
	line=$(cat)
	printf -- '--- started\n' >>"$work/$1.log"
	env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "${of_etcd[@]}" "${@:3}" \
		nsenter --net="$MACHINES/$2.net" chroot "$work/$2" sh -c "exec $line" </dev/null >>"$work/$1.log" 2>&1 &
	pid[$1]=$!
}

# well URL...: at each a member says that it is healthy. If not, a script had
# better not go on with what it has begun.
well() {
	local url before=$failed
	for url in "$@"; do
		soon "$here: curl $url/health" 0 '{"health":"true"}' ask "${tls[@]}" "$url/health"
		[ "$failed" = "$before" ] || return 1
	done
}
tls=() # for curl

# gives_up STEP NAME CODE TEXT...: it ends, with these words.
gives_up() {
	local problem='' got text
	ended "$2"
	got=$?
	[ $got = "$3" ] || problem="      exit code $got, want $3"$nl
	for text in "${@:4}"; do
		says "$2" "$text" || problem+="      does not say ${text@Q}"$nl
	done
	[ -z "$problem" ] || problem+=$(tail -n 5 "$work/$2.log" | cut -c -400)
	report "$1 ends with exit code $3, and says why" "$problem"
}

# off NAME...: they are not needed any more.
off() {
	local name
	for name in "$@"; do stop "$name" KILL; done
}
