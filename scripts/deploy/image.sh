#!/bin/sh
# Builds the image and uses it as its readers are told to, where a container
# engine answers; ENGINE names it (docker if not said).
set -eu
cd "$(dirname "$0")/../.."
engine=${ENGINE:-docker}
if ! timeout 10 "$engine" version --format '{{.Server.Version}}' >/dev/null 2>&1; then
	echo "image left out: no container engine answers to $engine here"
	exit 0
fi

image=keytree-check:$$
container=
cleanup() {
	[ -z "$container" ] || "$engine" rm -f -v "$container" >/dev/null 2>&1 || true
	"$engine" rmi -f "$image" >/dev/null 2>&1 || true
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "image: $1" >&2
	[ -z "$container" ] || "$engine" logs "$container" >&2 || true
	exit 1
}

echo "building the image"
"$engine" build -q -f scripts/deploy/Dockerfile -t "$image" --build-arg GOPROXY="$(go env GOPROXY)" . >/dev/null
container=$("$engine" run -d --read-only --cap-drop ALL -p 127.0.0.1::2379 "$image")
client=http://$("$engine" port "$container" 2379/tcp | head -n 1)

healthy() { [ "$("$engine" inspect --format '{{.State.Health.Status}}' "$container")" = healthy ]; }
for _ in $(seq 120); do
	! healthy || break
	sleep 0.5
done
healthy || fail "the container does not become healthy"
curl -sf --noproxy '*' "$client/v2/keys/message" -XPUT -d value=hello >/dev/null || fail "a key cannot be written from outside"
[ "$("$engine" exec "$container" /usr/local/bin/etcdctl2 get /message)" = hello ] || fail "etcdctl2 in the container does not see the key"
"$engine" restart "$container" >/dev/null
client=http://$("$engine" port "$container" 2379/tcp | head -n 1)
for _ in $(seq 120); do
	! curl -sf --noproxy '*' "$client/v2/keys/message" 2>/dev/null | grep -q '"value":"hello"' || break
	sleep 0.5
done
curl -sf --noproxy '*' "$client/v2/keys/message" | grep -q '"value":"hello"' || fail "the key is gone after a restart"
"$engine" stop "$container" >/dev/null
[ "$("$engine" inspect --format '{{.State.ExitCode}}' "$container")" = 0 ] || fail "it does not end with 0"
echo "image: ok"
