#!/bin/bash
# The command lines, environment files and YAML files of well-known tutorials,
# as people have them, each on machines with the names and addresses it expects.
#
#   tutorials.sh [SERVER]        default: bin/keytree
#
# Prints a line per step; fails if any step went wrong. SERVER may be etcd.

# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$(dirname "$0")/steps.sh"
# shellcheck source=machines.sh
. "$(dirname "$0")/machines.sh"
server=${1:-bin/keytree}
files=$(dirname "$0")/tutorials
patience=20
need_machines "$0" "$server"
furnish "$server"
of_etcd=()
if is_etcd "$server"; then of_etcd=(ETCD_ENABLE_V2=true); fi

# container NAME STATE
container() {
	serve "$1" "$1" STATE="$2" HOST_IP="${host[$1]}" NAME="$1" <<-'END'
	/usr/local/bin/etcd --data-dir=/etcd-data --name ${NAME} \
	  --initial-advertise-peer-urls http://${HOST_IP}:2380 --listen-peer-urls http://0.0.0.0:2380 \
	  --advertise-client-urls http://${HOST_IP}:2379 --listen-client-urls http://0.0.0.0:2379 \
	  --initial-cluster node1=http://172.18.0.11:2380,node2=http://172.18.0.12:2380,node3=http://172.18.0.13:2380 \
	  --initial-cluster-state ${STATE} --initial-cluster-token docker-etcd
	END
}

# Containers: a cluster of three, the third one joins.
containers_begin() {
	machine node1 172.18.0.11
	machine node2 172.18.0.12
	machine node3 172.18.0.13

	container node3 existing
	gives_up 'node3, which is to join before there is anything,' node3 1 \
		'cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs'
	container node1 new
	container node2 new
	enter node1
	well http://127.0.0.1:2379 http://172.18.0.12:2379 || return
	container node3 existing
	well http://172.18.0.13:2379 || return
	step 0 'from node1' set /message 'from node1'
	enter node3
	step_soon 0 'from node1' get /message
}

# Three members on one machine.
trio_begins() {
	machine trio 192.168.33.10
	serve trio1 trio <<-'END'
	etcd --name node1 --initial-advertise-peer-urls http://192.168.33.10:2380 --listen-peer-urls http://192.168.33.10:2380 \
	  --listen-client-urls http://192.168.33.10:2379,http://127.0.0.1:2379 --advertise-client-urls http://192.168.33.10:2379 \
	  --initial-cluster-token etcd-cluster-1 \
	  --initial-cluster node1=http://192.168.33.10:2380,node2=http://192.168.33.10:2381,node3=http://192.168.33.10:2382 \
	  --initial-cluster-state new
	END
	serve trio2 trio <<-'END'
	etcd --name node2 --initial-advertise-peer-urls http://192.168.33.10:2381 --listen-peer-urls http://192.168.33.10:2381 \
	  --listen-client-urls http://192.168.33.10:2389,http://127.0.0.1:2389 --advertise-client-urls http://192.168.33.10:2389 \
	  --initial-cluster-token etcd-cluster-1 \
	  --initial-cluster node1=http://192.168.33.10:2380,node2=http://192.168.33.10:2381,node3=http://192.168.33.10:2382 \
	  --initial-cluster-state new
	END
	serve trio3 trio <<-'END'
	etcd --name node3 --initial-advertise-peer-urls http://192.168.33.10:2382 --listen-peer-urls http://192.168.33.10:2382 \
	  --listen-client-urls http://192.168.33.10:2399,http://127.0.0.1:2399 --advertise-client-urls http://192.168.33.10:2399 \
	  --initial-cluster-token etcd-cluster-1 \
	  --initial-cluster node1=http://192.168.33.10:2380,node2=http://192.168.33.10:2381,node3=http://192.168.33.10:2382 \
	  --initial-cluster-state new
	END
	enter trio
	well http://127.0.0.1:2379 http://127.0.0.1:2389 http://127.0.0.1:2399 || return
	step 0 'Hello world' set /message 'Hello world'
	try_soon '{"action":"get","node":{"key":"/message","value":"Hello world",*}}' http://127.0.0.1:2399/v2/keys/message
}

# Discovery, and the address flags of etcd 0.4.
discovery() {
	machine meeting 10.0.0.10
	machine desk 10.0.0.11
	serve meeting meeting <<-'END'
	etcd -name meeting -listen-client-urls http://0.0.0.0:2379 -advertise-client-urls http://10.0.0.10:2379
	END
	enter desk
	well http://10.0.0.10:2379 || return
	try '{"action":"set","node":{"key":"*/_config/size","value":"3",*}}' \
		-X PUT http://10.0.0.10:2379/v2/keys/discovery/6c007a14875d53d9bf0ef5a6fc0257c817f0fb83/_config/size -d value=3
	serve machine1 desk <<-'END'
	etcd -name machine1 -initial-advertise-peer-urls http://127.0.0.1:2380 -listen-peer-urls http://127.0.0.1:2380 \
	  -discovery http://10.0.0.10:2379/v2/keys/discovery/6c007a14875d53d9bf0ef5a6fc0257c817f0fb83
	END
	if is_etcd "$server"; then
		skip 'desk: etcd -addr 127.0.0.1:2389 ...' 'etcd 3 does not know these flags'
		off machine1 meeting
		return
	fi
	serve machine2 desk <<-'END'
	etcd -name machine2 -discovery http://10.0.0.10:2379/v2/keys/discovery/6c007a14875d53d9bf0ef5a6fc0257c817f0fb83 \
	  -addr 127.0.0.1:2389 -bind-addr 127.0.0.1:2389 -peer-addr 127.0.0.1:2390 -peer-bind-addr 127.0.0.1:2390
	END
	serve machine3 desk ETCD_ADDR=127.0.0.1:2399 ETCD_PEER_ADDR=127.0.0.1:2400 <<-'END'
	etcd -name machine3 -discovery http://10.0.0.10:2379/v2/keys/discovery/6c007a14875d53d9bf0ef5a6fc0257c817f0fb83
	END
	well http://127.0.0.1:4001 http://127.0.0.1:2389 http://127.0.0.1:2399 || return
	try '{"action":"set",*"value":"Hello world",*}' -L http://127.0.0.1:4001/v2/keys/message -X PUT -d value="Hello world"
	try_soon '{"action":"get",*"value":"Hello world",*}' -L http://127.0.0.1:2389/v2/keys/message
	try_soon '{"action":"get",*"value":"Hello world",*}' -L http://127.0.0.1:2399/v2/keys/message
	try '*"name":"machine2","peerURLs":\["http://127.0.0.1:2390"\],"clientURLs":\["http://127.0.0.1:2389"\]*' http://127.0.0.1:4001/v2/members
	try '*"name":"machine3","peerURLs":\["http://127.0.0.1:2400"\],"clientURLs":\["http://127.0.0.1:2399"\]*' http://127.0.0.1:4001/v2/members
	off machine1 machine2 machine3 meeting
}

# A container of one, with compose after that.
container_of_one() {
	machine docker 192.168.99.100
	serve docker docker <<-'END'
	/usr/local/bin/etcd -name etcd0 \
	  -advertise-client-urls http://192.168.99.100:2379,http://192.168.99.100:4001 \
	  -listen-client-urls http://0.0.0.0:2379,http://0.0.0.0:4001 \
	  -initial-advertise-peer-urls http://192.168.99.100:2380 -listen-peer-urls http://0.0.0.0:2380 \
	  -initial-cluster-token etcd-cluster-1 -initial-cluster etcd0=http://192.168.99.100:2380 -initial-cluster-state new
	END
	enter docker
	well http://192.168.99.100:4001 || return
	try '{"action":"set",*"value":"one",*}' -XPUT http://192.168.99.100:2379/v2/keys/a -d value=one
	step 0 'one' get /a
	try '*"clientURLs":\["http://192.168.99.100:2379","http://192.168.99.100:4001"\]*' http://127.0.0.1:4001/v2/members
	stop docker TERM
	serve docker docker <<-'END'
	/usr/local/bin/etcd -name etcd0 -data-dir /etcd-data \
	  -advertise-client-urls http://192.168.99.100:2379,http://192.168.99.100:4001 -listen-client-urls http://0.0.0.0:2379,http://0.0.0.0:4001 \
	  -initial-advertise-peer-urls http://192.168.99.100:2380 -listen-peer-urls http://0.0.0.0:2380 \
	  -initial-cluster-token etcd-cluster-1 -initial-cluster etcd0=http://192.168.99.100:2380 -initial-cluster-state new
	END
	well http://192.168.99.100:2379 || return
	step 4 'Error:  100: Key not found (/a) \[*\]' get /a
	step 0 'two' set /a two
	off docker
}

# Names that do not match.
names_that_differ() {
	serve mismatch docker <<-'END'
	etcd --name myetcd1 --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://0.0.0.0:2379 \
	  --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls http://0.0.0.0:2380 --initial-cluster my-etcd-1=http://0.0.0.0:2380
	END
	gives_up 'docker: a member that is not in its list' mismatch 1 "couldn't find local name" myetcd1 'in the initial cluster configuration'
}

# read_environment FILE sets environment to what is in it: as systemd reads it,
# which takes quotes away and expands nothing.
read_environment() {
	mapfile -t environment < <(sed -n 's/^[[:space:]]*//; /^[#;]/d; /=/!d; s/[[:space:]]*$//; s/^\([^=]*\)="\(.*\)"$/\1=\2/; p' "$1")
}

# Environment files: host names, and the unit of a distribution.
environment_with_names() {
	local i
	for i in 1 2 3; do machine pc$i 10.0.1.$i; done
	know node1=pc1 node2=pc2 node3=pc3
	for i in 1 2 3; do
		read_environment "$files/names-node$i.conf"
		if is_etcd "$server"; then # it refuses flags beside the same variables
			serve pc$i pc$i "${environment[@]}" <<<'/usr/bin/etcd'
			continue
		fi
		serve pc$i pc$i "${environment[@]}" <<-'END'
	/usr/bin/etcd --name="${ETCD_NAME}" --data-dir="${ETCD_DATA_DIR}" --listen-client-urls="${ETCD_LISTEN_CLIENT_URLS}"
	END
	done
	enter pc1
	well http://node1:2379 http://node2:2379 http://node3:4001 || return
	try '{"action":"set",*"value":"Hello world",*}' http://node1:2379/v2/keys/message -XPUT -d value="Hello world"
	enter pc3
	try_soon '{"action":"get",*"value":"Hello world",*}' http://node3:4001/v2/keys/message
	step 0 '*member * is healthy: got healthy result from http://node1:*cluster is healthy' cluster-health
	step 0 '*name=node2 peerURLs=http://node2:2380 clientURLs=http://node2:2379,http://node2:4001 *' member list
	report 'pc2: the data is in /var/lib/etcd/node2.etcd' "$([ -d "$work/pc2/var/lib/etcd/node2.etcd/member" ] || echo '      it is not')"
	off pc1 pc2 pc3
}

# certify NAME SUBJECT [ALTERNATIVE_NAMES] makes NAME.pem and NAME-key.pem.
certify() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1-key.pem" -subj "$2" -out "$1.csr" 2>/dev/null &&
		openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 -out "$1.pem" 2>/dev/null \
			-extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\n%s' "${3:+subjectAltName=$3}")
}
certificates() (
	mkdir "$work/certificates" && cd "$work/certificates" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca-key.pem -subj /CN=etcd-ca -days 2 -out ca.pem 2>/dev/null &&
		certify server /CN=etcd IP:127.0.0.1,IP:192.168.0.101,IP:192.168.0.102,IP:192.168.0.103 &&
		certify peer /CN=etcd-peer IP:192.168.0.101,IP:192.168.0.102,IP:192.168.0.103 &&
		certify client /CN=client
)

# refused ARGUMENT... has curl try what must not be answered.
refused() { ! ask "$@"; }

# Environment files: TLS.
environment_with_tls() {
	local ssl=/etc/etcd/ssl i options=() tls=()
	command -v openssl >/dev/null || { skip 'environment files with TLS' 'there is no openssl'; return; }
	certificates || { report 'certificates are made' '      openssl fails'; return; }
	for i in 1 2 3; do
		machine etcd$i 192.168.0.10$i
		mkdir -p "$work/etcd$i/etc/etcd/ssl"
		cp "$work"/certificates/*.pem "$work/etcd$i/etc/etcd/ssl"
		read_environment "$files/tls-etcd$i.conf"
		serve etcd$i etcd$i "${environment[@]}" <<<'/usr/bin/etcd'
	done
	enter etcd1
	tls=(--cacert "$ssl/ca.pem" --cert "$ssl/client.pem" --key "$ssl/client-key.pem")
	well https://192.168.0.101:2379 https://192.168.0.102:2379 https://192.168.0.103:2379 || return
	try '{"action":"set",*"value":"secret",*}' "${tls[@]}" https://192.168.0.102:2379/v2/keys/a -XPUT -d value=secret
	try_soon '{"action":"get",*"value":"secret",*}' http://127.0.0.1:2379/v2/keys/a
	expect "$here: curl without a certificate is refused" 0 'curl: (5[56]) *' refused --cacert "$ssl/ca.pem" https://192.168.0.101:2379/v2/keys/a
	if is_etcd "$server"; then
		skip "$here: curl https://192.168.0.102:2380/members" 'etcd breaks off the answer over HTTP/2'
	else
		try '\[{"id":[0-9]*,"peerURLs":\["https://192.168.0.10*:2380"\],"name":"etcd?","clientURLs":\["https://192.168.0.10*:2379"\]},*\]' \
			"${tls[@]}" https://192.168.0.102:2380/members
	fi
	options=(--ca-file "$ssl/ca.pem" --cert-file "$ssl/client.pem" --key-file "$ssl/client-key.pem" --endpoints https://192.168.0.103:2379)
	step 0 '*member * is healthy: got healthy result from https://192.168.0.101:2379*cluster is healthy' cluster-health
	step 0 'secret' get /a
	says etcd1 'ignoring client auto TLS since certs given' && says etcd1 'ignoring peer auto TLS since certs given'
	compare 'etcd1 says that certificates go before ETCD_AUTO_TLS' 0 '' $? ''
	off etcd1 etcd2 etcd3
}

# A YAML file, two members.
yaml_of_two() {
	local i
	for i in 1 2; do
		machine yaml$i 192.168.10.1$i
		mkdir -p "$work/yaml$i/opt/etcd/conf"
		: >"$work/yaml$i.log"
		ln "$work/yaml$i.log" "$work/yaml$i/opt/etcd/log"
		cp "$files/yaml-etcd-$i.conf" "$work/yaml$i/opt/etcd/conf/etcd.conf"
		if is_etcd "$server"; then echo 'enable-v2: true' >>"$work/yaml$i/opt/etcd/conf/etcd.conf"; fi
	done
	within yaml1 sh -c 'PATH=/usr/bin; nohup etcd --config-file=/opt/etcd/conf/etcd.conf > /opt/etcd/log 2>&1 &'
	within yaml2 sh -c 'PATH=/usr/bin; nohup keytree --config-file=/opt/etcd/conf/etcd.conf > /opt/etcd/log 2>&1 &'
	enter yaml1
	well http://127.0.0.1:2379 http://192.168.10.12:2379 || return
	step 0 'Hello' set /message Hello
	enter yaml2
	step_soon 0 'Hello' get /message
	step 0 '*name=etcd-1 peerURLs=http://192.168.10.11:2380 clientURLs=http://127.0.0.1:2379,http://192.168.10.11:2379 *' member list
	for i in 1 2; do
		report "yaml$i: the data is where the file says" "$([ -d "$work/yaml$i/opt/etcd/data/member" ] || echo '      it is not')"
	done
}

name_pods() { know etcd-0.etcd=etcd-0 etcd-1.etcd=etcd-1 etcd-2.etcd=etcd-2; }
pod() {
	serve "$1" "$1" HOSTNAME="$1" <<-'END'
	etcd --name ${HOSTNAME} \
	  --listen-peer-urls http://0.0.0.0:2380 --listen-client-urls http://0.0.0.0:2379 \
	  --advertise-client-urls http://${HOSTNAME}.etcd:2379 --initial-advertise-peer-urls http://${HOSTNAME}.etcd:2380 \
	  --initial-cluster-token etcd-cluster-1 \
	  --initial-cluster etcd-0=http://etcd-0.etcd:2380,etcd-1=http://etcd-1.etcd:2380,etcd-2=http://etcd-2.etcd:2380 \
	  --initial-cluster-state new \
	  --data-dir /var/run/etcd/default.etcd
	END
}

# Kubernetes: started with the same line again, on another address.
kubernetes() {
	local i
	for i in 0 1 2; do machine etcd-$i 10.244.0.1$i; done
	name_pods
	for i in 0 1 2; do pod etcd-$i; done
	enter etcd-0
	well http://etcd-0.etcd:2379 http://etcd-1.etcd:2379 http://etcd-2.etcd:2379 || return
	step 0 'kept' set /message kept
	stop etcd-1 TERM
	move_machine etcd-1 10.244.0.21
	name_pods
	step 0 'changed' set /message changed
	pod etcd-1
	well http://etcd-1.etcd:2379 || return
	enter etcd-1
	step_soon 0 'changed' get /message
	step 0 'from etcd-1' set /message 'from etcd-1'
	step_soon 0 '*cluster is healthy' cluster-health
	off etcd-0 etcd-1 etcd-2
}

# Three members on one machine: a fourth.
trio_grows() {
	enter trio
	soon "$at: etcdctl member add node4" 0 "Added member named node4 with ID * to cluster*ETCD_INITIAL_CLUSTER_STATE=\"existing\"" \
		ctl member add node4 http://192.168.33.10:2383
	serve trio4 trio <<-'END'
	etcd --name node4 --initial-advertise-peer-urls http://192.168.33.10:2383 --listen-peer-urls http://192.168.33.10:2383 \
	  --listen-client-urls http://192.168.33.10:2409,http://127.0.0.1:2409 --advertise-client-urls http://192.168.33.10:2409 \
	  --initial-cluster-token etcd-cluster-1 \
	  --initial-cluster node1=http://192.168.33.10:2380,node2=http://192.168.33.10:2381,node3=http://192.168.33.10:2382,node4=http://192.168.33.10:2383 \
	  --initial-cluster-state existing
	END
	well http://127.0.0.1:2409 || return
	try '{"action":"get",*"value":"Hello world",*}' http://127.0.0.1:2409/v2/keys/message
	step_soon 0 '*name=node4 peerURLs=http://192.168.33.10:2383 clientURLs=http://192.168.33.10:2409 *' member list
	off trio1 trio2 trio3 trio4
}

# Containers: one removed, with its old volume, and with a new one.
containers_change() {
	local id removed=('the member has been permanently removed from the cluster' 'the data-dir used by this member must be removed.')
	enter node1
	id=$(ctl member list | sed -n 's/^\([0-9a-f]*\): name=node2 .*/\1/p')
	soon "$at: etcdctl member remove node2" 0 "Removed member $id from cluster" ctl member remove "$id"
	gives_up 'node2, removed,' node2 0 "${removed[@]}"
	soon "$at: etcdctl member add node2" 0 'Added member named node2 with ID * to cluster*' ctl member add node2 http://172.18.0.12:2380
	container node2 existing
	gives_up 'node2, with its old volume,' node2 0 "${removed[@]}"
	rm -r "$work/node2/etcd-data"
	container node2 existing
	well http://172.18.0.12:2379 || return
	enter node2
	step 0 'from node1' get /message
	step 0 'from node2' set /message 'from node2'
	step_soon 0 '*cluster is healthy' cluster-health
}

for row in containers_begin trio_begins discovery container_of_one names_that_differ environment_with_names \
	environment_with_tls yaml_of_two kubernetes trio_grows containers_change; do
	"$row"
done
conclude
