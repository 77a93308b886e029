#!/bin/bash
# The guide on HAProxy: run by docs/guides/run.sh.
# shellcheck source-path=SCRIPTDIR source=../testing.sh
. "$(dirname "$0")/../testing.sh"

command -v haproxy >/dev/null || fail "Debian's haproxy is installed"
members 1
read -r -a port < <(ports 7)
front=${port[0]}
export FRONTEND=127.0.0.1:$front ADMIN_SOCKET=$work/admin.sock
# A server stays for the longest answer, 1.5 s, after HAProxy has heard that it goes, which takes a busy machine a while.
export CONFIG=$here/haproxy.cfg BACKENDS=$work/backends.cfg TTL=3 DRAIN=5

# up N and down N: a server comes, and goes as it should.
up() { start "s$1" "$here/../registration/register.sh" "/services/web/s$1" "127.0.0.1:${port[$1]}" "$here/backend.py" "${port[$1]}" "s$1"; }
down() { send TERM "s$1"; }

status() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 -H "Host: $1.example.com" "http://127.0.0.1:$front/"; }
has_status() { [ "$(status "$1")" = "$2" ]; }

# serving NAME...: these answer, and no others.
serving() {
	local got
	got=$(curl -s --max-time 5 -H 'Host: web.example.com' "http://127.0.0.1:$front/?[1-40]" | sort -u | tr '\n' ' ')
	[ "$got" = "$* " ]
}

touch "$BACKENDS"
start haproxy haproxy -W -f "$CONFIG" -f "$BACKENDS" -p "$work/haproxy.pid"
export RELOAD="kill -USR2 ${process[haproxy]}"
step "HAProxy runs, and has no backend" has_status web 503
up 1
up 2
step "two servers are registered" is /services/web/s2 "127.0.0.1:${port[2]}"
start follow "$here/follow.sh"
step "what is registered at the start is served" serving s1 s2

start load "$here/load.py" "$front"
up 3
step "under load: a server comes" serving s1 s2 s3
down 1
step "a server goes" serving s2 s3
step "after it has drained" ended s1
up 4
up 1
step "two come at once" serving s1 s2 s3 s4
down 2
down 3
step "two go at once" serving s1 s4
for n in 1 2 3; do
	up 5
	step "one comes ($n)" serving s1 s4 s5
	down 5
	step "and goes ($n)" serving s1 s4
	step "and has ended ($n)" ended s5
done

before=$(grep -c 'HAProxy has' "$work/follow.log")
for n in $(seq 1 20); do etcdctl2 set "/services/swarm/s$n" "127.0.0.1:$((40000 + n))" >/dev/null; done
step "20 more come" has follow.log "HAProxy has 22 servers"
reloads=$(($(grep -c 'HAProxy has' "$work/follow.log") - before))
check "with $reloads reloads" test "$reloads" -le 10
etcdctl2 rm --recursive /services/swarm
step "a whole service goes" has_status swarm 503

etcdctl2 set /services/web/wrong 127.0.0.1:99999 >/dev/null
step "an address that HAProxy does not accept is told" has follow.log "HAProxy does not accept"
check "and does not harm" serving s1 s4
up 5
step "another server is registered" is /services/web/s5 "127.0.0.1:${port[5]}"
etcdctl2 rm /services/web/wrong >/dev/null
step "and comes when the wrong one goes" serving s1 s4 s5
etcdctl2 set /services/web/evil "127.0.0.1:1 disabled
	server x 127.0.0.1:2" >/dev/null
etcdctl2 set "/services/web/e vil" 127.0.0.1:1 >/dev/null
sleep 1
check "what is no address is left out" not grep -q evil "$BACKENDS"
check "and what is no name, too" not grep -q "e vil" "$BACKENDS"

pkill -KILL -P "${process[follow]}" etcdctl2
up 3
step "exec-watch ends: all is read anew" serving s1 s3 s4 s5
send KILL node1
sleep 1
check "Keytree is away: HAProxy goes on" serving s1 s3 s4 s5
serve node1
step "Keytree is back" healthy node1
up 2
step "exec-watch goes on" serving s1 s2 s3 s4 s5

send TERM load
step "the clients have counted" ended load
check "$(tail -n 1 "$work/load.log")" test "$code" = 0
reloads=$(grep -c 'HAProxy has' "$work/follow.log")
check "over $reloads reloads" test "$reloads" -ge 15
check "the requests were many" test "$(sed -n 's/^requests: \([0-9]*\).*/\1/p' "$work/load.log")" -gt 1000

start quick "$here/load.py" "$front" quick
sleep 0.5
send_all KILL s5
step "a server's machine dies: it gets no more requests" serving s1 s2 s3 s4
step "and is gone from the configuration after its TTL" not grep -q "server s5" "$BACKENDS"

send TERM quick
step "those who asked meanwhile have counted" ended quick
check "$(tail -n 1 "$work/quick.log")" test "$code" = 0
send TERM follow
step "follow.sh ends when it is told to" ended follow
