#!/bin/bash
# The guide on configuration: run by docs/guides/run.sh.
# shellcheck source-path=SCRIPTDIR source=../testing.sh
. "$(dirname "$0")/../testing.sh"

/usr/bin/python3 -c 'import etcd' || fail "Debian's python3-etcd is installed"
members 3
read -r port < <(ports 1)
answers() { [ "$(curl -s --max-time 2 "http://127.0.0.1:$port/")" = "$1" ]; }

hosts=${ETCDCTL_ENDPOINTS//http:\/\//}
start app "$here/app.py" "$port" "$hosts" /config/app
step "without configuration the program waits" has app.log "no news of the configuration"
etcdctl2 set /config/app/greeting Hello >/dev/null
step "it begins when there is one" answers "Hello, at most 10"

began=$(clock)
etcdctl2 set /config/app/greeting "Good morning" >/dev/null
step "a change takes effect" answers "Good morning, at most 10"
took=$(($(clock) - began))
check "within a second ($took ms)" test $took -lt 1000
etcdctl2 set /config/app/limit 20 >/dev/null
step "another one, too" answers "Good morning, at most 20"

etcdctl2 set /config/app/limit many >/dev/null
step "what is no number is told" has app.log "not taken"
etcdctl2 set /config/app/limit 5000 >/dev/null
step "and what is out of range" has app.log "limit must be from 1 to 1000, not 5000"
check "and the program goes on as before" answers "Good morning, at most 20"
etcdctl2 rm /config/app/limit >/dev/null
step "a key that is removed is as if it had never been" answers "Good morning, at most 10"

for n in $(seq 1 20); do etcdctl2 set /config/app/greeting "$n" >/dev/null; done
step "of many changes the last one counts" answers "20, at most 10"

kill_leader
etcdctl2 --total-timeout 15s set /config/app/greeting "One is down" >/dev/null
step "a server is killed: changes take effect" answers "One is down, at most 10"
for node in "${nodes[@]}"; do [ "$node" = "$killed" ] || send KILL "$node"; done
step "all are killed: the program goes on" answers "One is down, at most 10"
for node in "${nodes[@]}"; do serve "$node"; done
step "they are back" healthy "${nodes[@]}"
etcdctl2 set /config/app/greeting "Back" >/dev/null
step "and changes take effect again" answers "Back, at most 10"
check "it has never ended" kill -0 "${process[app]}"
