#!/bin/bash
# Two command lines and two servers crosswise: Debian's etcdctl in its v2 mode
# and etcdctl2, each with etcd and with Keytree. What Debian's etcdctl prints of
# etcd, the other three have to print, with the same exit codes.
#
#   ctl.sh [SERVER [CTL]]        default: bin/keytree, and etcdctl2 beside SERVER
#
# Prints a line per command and pair; fails if any differs.

# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$(dirname "$0")/steps.sh"
server=${1:-bin/keytree}
own=${2:-$(dirname "$server")/etcdctl2}
if ! [ -x "$own" ]; then
	echo "there is no $own: go build -o $own ./etcdctl2" >&2
	exit 1
fi

# Called etcdctl, it does not tell of what it can do beyond that.
mkdir "$work/bin"
ln -s "$(realpath "$own")" "$work/bin/etcdctl"
own=$work/bin/etcdctl

# The commands, one to a line, as typed. TTLs are long, and lists sorted, so
# that two runs print the same.
commands=$(
	cat <<'END'
set /a one
get /a
set /a two
-o json set /a three
-o extended get /a
-o json get /a
get --quorum --sort /a
get
get /none
set
set /k v --ttl 5000
-o extended get /k
set --ttl=5000 k v2
set -- /dash -5
get /dash
set "/with blank/é?#%" "x < y & z"
get "/with blank/é?#%"
-o json get "/with blank/é?#%"
printf 'from a pipe\n' | set /pipe
get /pipe
set /empty ""
get /empty
mk /made new
mk /made again
update /made newer
update /none x
mk --in-order /queue first
mk --in-order /queue second
ls --sort /queue
set --swap-with-value three /a four
set --swap-with-value three /a five
set --swap-with-index 1 /a six
mkdir /dir
mkdir /dir
mkdir --ttl 5000 /dir5000
setdir /dir2
setdir /dir2
updatedir --ttl 5000 /dir2
-o extended ls /dir2
set /dir/sub/x x
set /dir/y y
ls --sort
ls -p --sort
ls --sort -r -p /dir
ls /dir/y
-o json ls --sort -r /dir
get /dir
set /dir v
set /a/below v
rmdir /dir
rmdir /dir2
rm /none
rm /made
rm --with-value wrong /a
rm --with-value four /a
-o json rm /k
-o extended rm /pipe
rm /dir
rm --recursive /dir
rm -r /
watch --after-index 3 /a
watch --after-index 3 --recursive /
-o json watch --after-index 3 /a
-o extended watch --after-index 6 /a
set help v
get help
ls h
member list
member list x
member add
member add n2
member add n2 127.0.0.1:1
member remove node1
member remove ffffffffffffffff
member update ffffffffffffffff http://127.0.0.1:9
cluster-health
user list
role list
auth enable
user add root:rootpw
user add ann:annpw
user add carol:
user list
user get root
user get nobody
role add rkv
role add rkv
role grant rkv --path /pub/* --read
role grant rkv --path /rw/* --readwrite
role grant rkv --path /pub/* --read
role get rkv
role get nope
user grant ann --roles rkv
user get ann
auth enable
auth enable
-u ann:annpw set /pub/x 1
-u root:rootpw set /pub/x 1
-u ann:annpw get /pub/x
-u ann:wrong get /pub/x
user list
-u root:rootpw role revoke rkv --path /rw/* --rw
-u root:rootpw role get rkv
-u root:rootpw user revoke ann --roles rkv
-u root:rootpw user remove ann
-u root:rootpw role remove rkv
-u root:rootpw auth disable
auth disable
user remove root
role remove guest
nosuch
get --nosuch /a
--nosuch
--timeout 1 get /a
help set
get --help
member --help
--version
--no-sync get /a
--debug get /help
--debug set /b 1
--debug --no-sync rm /b
--debug member list
-o xml set /xml 1
get /xml
END
)

# play NAME CTL FILE: types all commands to CTL, which asks the server NAME.
# What comes of each goes to FILE, a record per command, without what differs
# from run to run, and how far Debian's help is indented.
play() {
	local line words input
	export ETCDCTL_API=2 ETCDCTL_ENDPOINTS=${client[$1]}
	while IFS= read -r line; do
		input=/dev/null
		words=$line
		if [[ $line == printf* ]]; then
			input=$work/input
			eval "${line%% | *}" >"$input"
			words=${line#* | }
		fi
		printf '== %s\n' "$line"
		eval "set -f; typed=($words); set +f"
		# shellcheck disable=SC2154 # eval sets typed
		timeout --foreground -k 1 30 "$2" "${typed[@]}" <"$input" >"$work/stdout" 2>"$work/stderr"
		printf 'code %d\n' $?
		sed 's/^/1|/' "$work/stdout"
		sed 's/^/2|/' "$work/stderr"
	done <<<"$commands" | sed -E \
		-e "s,${client[$1]//./\\.},CLIENT,g; s,${peer[$1]//./\\.},PEER,g" \
		-e 's/[0-9a-f]{15,16}([: ]|$)/ID\1/g; s,members/[0-9a-f]{15\,16},members/ID,g' \
		-e 's/(ttl":|TTL: )4999/\15000/' \
		-e 's/^(1\|) {3,}/\1   /' \
		-e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]*Z/TIME/g' >"$3"
}

# serve NAME SERVER
serve() {
	launch "$1" "$2" --name node1 \
		--listen-client-urls "${client[$1]}" --advertise-client-urls "${client[$1]}" \
		--listen-peer-urls "${peer[$1]}" --initial-advertise-peer-urls "${peer[$1]}" \
		--initial-cluster "node1=${peer[$1]}"
	need "$1"
}

# matches PAIR FILE: a step for each command.
matches() {
	local line
	while IFS= read -r line; do
		compare "$1: etcdctl $line" 0 "$(quoted "$(outcome_of "$line" "$work/said-reference")")" 0 "$(outcome_of "$line" "$2")"
	done < <(awk '{ print NR ":" $0 }' <<<"$commands")
}

# outcome_of NUMBER:LINE FILE: what is behind the heading of that command.
outcome_of() { awk -v n="${1%%:*}" '/^== / { at++ } at == n && !/^== /' "$2"; }

# quoted TEXT: a pattern that only TEXT matches.
# shellcheck disable=SC2001 # no other way to put a backslash before each
quoted() { sed 's/[][\\*?]/\\&/g' <<<"$1"; }

etcd=$(command -v etcd) || { skip 'etcdctl crosswise' 'there is no etcd here'; conclude; }
debian=$(command -v etcdctl) || { skip 'etcdctl crosswise' 'there is no etcdctl here'; conclude; }
give_ports reference etcd keytree keytree2
serve reference "$etcd"
play reference "$debian" "$work/said-reference"
stop reference TERM
serve etcd "$etcd"
play etcd "$own" "$work/said-etcdctl2-etcd"
stop etcd TERM
serve keytree "$server"
play keytree "$debian" "$work/said-etcdctl-keytree"
stop keytree TERM
serve keytree2 "$server"
play keytree2 "$own" "$work/said-etcdctl2-keytree"
stop keytree2 TERM
matches 'etcdctl2 with etcd' "$work/said-etcdctl2-etcd"
matches "Debian's etcdctl with Keytree" "$work/said-etcdctl-keytree"
matches 'etcdctl2 with Keytree' "$work/said-etcdctl2-keytree"
conclude
