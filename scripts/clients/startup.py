#!/usr/bin/python3
"""How long it takes to get one key: etcdctl2 beside Debian's etcdctl.

  startup.py [SERVER [CTL [RUNS]]]    default: bin/keytree bin/etcdctl2 200

Both ask the same server on loopback, in turns, so that what else the machine
does hits both. Prints milliseconds of wall time and of the processor; fails if
the median of etcdctl2 is the longer one by more than a tenth.
"""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(server, directory):
    client, peer = ("http://127.0.0.1:%d" % free_port() for _ in range(2))
    process = subprocess.Popen(
        [server, "--name", "n", "--data-dir", directory + "/n", "--listen-client-urls", client,
         "--advertise-client-urls", client, "--listen-peer-urls", peer,
         "--initial-advertise-peer-urls", peer, "--initial-cluster", "n=" + peer],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(directory + "/log", "wb"))
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        try:
            put = urllib.request.Request(client + "/v2/keys/k", method="PUT", data=b"value=v")
            urllib.request.urlopen(put, timeout=1).read()
            return process, client
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    process.kill()
    sys.exit("%s did not start:\n%s" % (server, open(directory + "/log").read()))


def once(program, client):
    """Wall time and time of the processor, in milliseconds."""
    env = {"PATH": os.environ["PATH"], "ETCDCTL_API": "2", "ETCDCTL_ENDPOINTS": client}
    with open(os.devnull, "r+b") as null:
        begin = time.perf_counter()
        pid = os.posix_spawn(program, ["etcdctl", "get", "/k"], env,
                             file_actions=[(os.POSIX_SPAWN_DUP2, null.fileno(), n) for n in range(3)])
        _, status, used = os.wait4(pid, 0)
        wall = time.perf_counter() - begin
    if status != 0:
        sys.exit("%s failed" % program)
    return 1000 * wall, 1000 * (used.ru_utime + used.ru_stime)


def main():
    given = dict(enumerate(sys.argv))
    server, own, runs = given.get(1, "bin/keytree"), given.get(2, "bin/etcdctl2"), int(given.get(3, "200"))
    debian = shutil.which("etcdctl")
    if debian is None:
        sys.exit("there is no etcdctl here")
    with tempfile.TemporaryDirectory() as directory:
        process, client = start(server, directory)
        try:
            took = {own: [], debian: []}
            for program in took:
                once(program, client)  # so that both are in memory
            for _ in range(runs):
                for program in took:
                    took[program].append(once(program, client))
        finally:
            process.terminate()
            process.wait(10)
    medians = []
    for program, runs in took.items():
        wall, used = (sorted(times) for times in zip(*runs))
        medians.append(statistics.median(wall))
        print("%-24s wall: median %.1f ms, p90 %.1f ms, fastest %.1f ms; processor: median %.1f ms"
              % (program, medians[-1], wall[9 * len(wall) // 10], wall[0], statistics.median(used)))
    print("etcdctl2 takes %.2f of the time of Debian's etcdctl" % (medians[0] / medians[1]))
    sys.exit(medians[0] > 1.1 * medians[1])


main()
