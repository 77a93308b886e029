#!/bin/sh
# Installs the Debian packages given that are not there yet.
set -eu
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -q
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -q -y --no-install-recommends -o Dpkg::Options::=--force-confold $missing
# The tests start what they need: a service of the package would hold the ports.
if [ -d /run/systemd/system ]; then
	for p in $missing; do
		case $p in
		etcd-server) $sudo systemctl disable --now etcd ;;
		haproxy | nginx | patroni | postgresql | prometheus) $sudo systemctl disable --now "$p" ;;
		esac
	done
fi
exit 0
