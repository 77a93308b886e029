#!/bin/bash
# All keys of an etcd with what they have left to live, copied to a server by
# etcdctl2; the copying is killed once and resumed.
#
#   copy.sh [SERVER [CTL [KEYS]]]        default: bin/keytree, etcdctl2 beside SERVER, 5000
#
# Prints a line per step; fails if any step went wrong.

# shellcheck source-path=SCRIPTDIR source=steps.sh
. "$(dirname "$0")/steps.sh"
server=${1:-bin/keytree}
own=${2:-$(dirname "$server")/etcdctl2}
keys=${3:-5000}
if ! [ -x "$own" ]; then
	echo "there is no $own: go build -o $own ./etcdctl2" >&2
	exit 1
fi
etcd=$(command -v etcd) || { skip 'copying from etcd' 'there is no etcd here'; conclude; }

# serve NAME SERVER
serve() {
	launch "$1" "$2" --name node1 \
		--listen-client-urls "${client[$1]}" --advertise-client-urls "${client[$1]}" \
		--listen-peer-urls "${peer[$1]}" --initial-advertise-peer-urls "${peer[$1]}" \
		--initial-cluster "node1=${peer[$1]}"
	need "$1"
}

# at NAME ARGUMENT...: etcdctl2 asks that server.
at() { ETCDCTL_API=2 timeout -k 1 300 "$own" --endpoints "${client[$1]}" "${@:2}"; }

# differences FILE FILE: between two exported trees, in all but when they were
# exported and how fast.
# shellcheck disable=SC2317 # expect runs it
differences() {
	/usr/bin/python3 - "$@" <<'PYTHON'
import datetime, json, sys
def read(name):
    nodes = {}
    for line in open(name):
        node = json.loads(line)
        if "key" in node and "export" not in node:
            nodes[node["key"]] = node
    return nodes
def ends(node):
    return datetime.datetime.fromisoformat(node["expiration"][:26].rstrip("Z") + "+00:00") if "expiration" in node else None
a, b = read(sys.argv[1]), read(sys.argv[2])
late = []
for key in a.keys() | b.keys():
    x, y = a.get(key, {}), b.get(key, {})
    if any(x.get(f) != y.get(f) for f in ("key", "dir", "value")) or (ends(x) is None) != (ends(y) is None):
        print("differs:", key)
    elif ends(x) is not None:
        late.append((ends(y) - ends(x)).total_seconds())
print(len(a), "entries,", len(late), "with an end, between", "%.1f s early and %.1f s late" % (-min(late), max(late)))
if max(late) > 1 or min(late) < -1:
    print("the ends are more than a second apart")
PYTHON
}

make_keys() {
	/usr/bin/python3 - "$keys" <<'PYTHON'
import datetime, json, random, sys
random.seed(5)
now = datetime.datetime.now(datetime.timezone.utc)
def line(key, ends, **more):
    if ends:
        more["expiration"] = (now + datetime.timedelta(seconds=random.uniform(900, 90000))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    print(json.dumps(dict(key=key, **more)))
for d in range(int(sys.argv[1]) // 100):
    line("/d%d" % d, d % 10 == 0, dir=True)
    for i in range(100):
        line("/d%d/k%d" % (d, i), i % 2 == 0, value="value %d é\n<&>" % i)
line("/empty", False, dir=True)
line("/_hidden/key", False, value="not listed")
PYTHON
}

give_ports etcd keytree
serve etcd "$etcd"
serve keytree "$server"
make_keys >"$work/made"
expect "etcdctl2 writes $keys keys to etcd" 0 "*Imported $((keys + 1)) keys and $((keys / 100 + 1)) directories.${nl}Compared *: the same, checksum *" at etcd import "$work/made"

copying=(import --from "${client[etcd]}" --hidden /_hidden)
at keytree "${copying[@]}" >"$work/copying" 2>&1 &
copying_pid=$!
# shellcheck disable=SC2317 # wait_for runs it
some() { at keytree ls /d0 2>/dev/null | grep -q .; }
wait_for some
kill "$copying_pid"
wait "$copying_pid" 2>/dev/null
expect 'a dry run tells what is missing after a kill' 0 'Would write *; * were there already.' at keytree "${copying[@]}" --dry-run
begin=$(date +%s%N)
expect 'copying goes on' 0 "*Imported *; * were there already.${nl}Compared $((keys + 1)) keys and *: the same, checksum *" at keytree "${copying[@]}" --resume
printf '      in %d ms\n' $((($(date +%s%N) - begin) / 1000000))
expect 'nothing is missing after that' 0 "Would write 0 keys and 0 directories; * were there already." at keytree "${copying[@]}" --dry-run
at etcd export --hidden /_hidden >"$work/of-etcd"
at keytree export --hidden /_hidden >"$work/of-keytree"
expect 'both have the same keys, values and times to live' 0 "$((keys + keys / 100 + 3)) entries, * s late" differences "$work/of-etcd" "$work/of-keytree"
conclude
