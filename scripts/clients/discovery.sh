#!/bin/bash
# Clusters that find each other through a discovery URL, which is hosted by the
# server or by Debian's etcd, as the tutorials have it.
#
#   discovery.sh [SERVER]        default: bin/keytree
#
# Prints a line per step; fails if any step went wrong. SERVER may be etcd.

# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$(dirname "$0")/steps.sh"
server=${1:-bin/keytree}
etcd=/usr/bin/etcd
patience=20
options=(--no-sync) # the member that is named is asked

# host NAME SERVER starts the one member that others meet at.
host() {
	launch "$1" "$2" --name "$1" --listen-client-urls "${client[$1]}" --advertise-client-urls "${client[$1]}" \
		--listen-peer-urls "${peer[$1]}" --initial-advertise-peer-urls "${peer[$1]}" --initial-cluster "$1=${peer[$1]}"
	need "$1"
}

# make_token HOST TOKEN SIZE makes one by hand, and sets token to its URL.
make_token() {
	token=${client[$1]}/v2/keys/discovery/$2
	expect "$1: curl -X PUT .../discovery/$2/_config/size -d value=$3" 0 '{"action":"set",*}*201' \
		ask -w '%{http_code}' -X PUT "$token/_config/size" -d value="$3"
}

# meet NAME SERVER [FLAG...] starts a member that is to find others at token.
meet() {
	launch "$1" "$2" -name "$1" -listen-client-urls "${client[$1]}" -advertise-client-urls "${client[$1]}" \
		-listen-peer-urls "${peer[$1]}" -initial-advertise-peer-urls "${peer[$1]}" -discovery "$token" "${@:3}"
}

# found SERVER NAME... has them found a cluster.
found() {
	local name
	nodes=("${@:2}")
	for name in "${nodes[@]}"; do meet "$name" "$1"; done
	need "${nodes[@]}"
	on "$2"
	whole
	step 0 "of $2" set /founded "of $2"
	on "${!#}"
	step_soon 0 "of $2" get /founded
}

# refused STEP NAME TEXT...: it ends with exit code 1, and its log has each TEXT.
refused() {
	local problem='' got text
	ended "$2"
	got=$?
	[ $got = 1 ] || problem="      exit code $got, want 1"$nl
	for text in "${@:3}"; do
		says "$2" "$text" || problem+="      does not say ${text@Q}"$nl
	done
	[ -z "$problem" ] || problem+=$(tail -n 5 "$work/$2.log" | cut -c -400)
	report "$1 ends with exit code 1, and says why" "$problem"
}

# told STEP NAME TEXT: its log has TEXT.
told() { report "$1" "$(says "$2" "$3" || tail -n 20 "$work/$2.log" | cut -c -400)"; }

# dismiss NAME... kills them.
dismiss() {
	local name
	for name in "$@"; do stop "$name" KILL; done
}

# not_joined TEXT STEP NAME: refused, because of what TEXT says.
not_joined() {
	refused "$2" "$3" "failed to join discovery cluster ($1" "discovery token $token was used, but failed to bootstrap the cluster." \
		'please generate a new discovery token and try to bootstrap again.'
}

give_ports host etcd machine{1,2,3,4,5,6} m{1,2,3} abroad{1,2,3} guest{1,2,3}
host host "$server"

# --- A token that the server makes ----------------------------------------------

if is_etcd "$server"; then
	skip 'host: curl /keytree/v1/discovery/new?size=3' 'etcd has no such thing'
	make_token host made 3
else
	expect 'host: curl /keytree/v1/discovery/new?size=3' 0 "${client[host]}/v2/keys/*" ask "${client[host]}/keytree/v1/discovery/new?size=3"
	token=$(ask "${client[host]}/keytree/v1/discovery/new?size=3")
fi
found "$server" machine1 machine2 machine3

meet machine4 "$server"
need machine4
told 'machine4 is too late, and becomes a proxy' machine4 'discovery cluster full, falling back to proxy'
on machine4
step 0 'by proxy' set /founded 'by proxy'
whole
meet machine5 "$server" -discovery-fallback exit
not_joined 'discovery: cluster is full)' 'machine5, too late and told to exit then,' machine5

stop machine1 TERM
relaunch machine1
need machine1
told 'machine1, started again, does not use the token' machine1 'discovery token ignored since a cluster has already been initialized. Valid log found at'
on machine1
whole
if is_etcd "$server"; then
	skip 'machine4, started again, is a proxy' "etcd refuses the proxy's directory"
else
	stop machine4 TERM
	relaunch machine4
	need machine4
	told 'machine4, started again, does not use the token' machine4 'discovery token ignored since the proxy has already been initialized. Valid cluster file found at'
	on machine4
	step 0 'by proxy' get /founded
fi

stop machine1 KILL
rm -r "${data[machine1]}"
relaunch machine1
refused 'machine1, without its data,' machine1 'has previously registered with discovery service token (' \
	'But etcd could not find valid cluster configuration in the given data dir (' 'or use a new discovery token if the previous bootstrap failed.'
dismiss machine2 machine3 machine4

# --- Tokens made by hand ----------------------------------------------------------

token=${client[host]}/v2/keys/discovery/nobody-made-it
meet machine6 "$server"
not_joined '' 'machine6, with a token that nobody has made,' machine6
make_token host 6c007a14875d53d9bf0ef5a6fc0257c817f0fb83 3
found "$server" m1 m2 m3
dismiss m1 m2 m3

# --- Between the server and etcd --------------------------------------------------

make_token host for-etcd 3
found $etcd guest1 guest2 guest3
dismiss guest1 guest2 guest3
host etcd $etcd
make_token etcd at-etcd 3
found "$server" abroad1 abroad2 abroad3

conclude
