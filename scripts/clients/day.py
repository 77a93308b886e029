#!/usr/bin/python3
"""A day's work of Debian's python3-etcd, against the server at a URL.

    day.py http://127.0.0.1:2379

Prints a line per step; fails if any step went wrong. All keys lie below
/day-py-PID, which is removed at the end.
"""
import os
import sys
import threading
import time
from urllib.parse import urlparse

import etcd

BASE = "/day-py-%d" % os.getpid()
STEPS = []


def step(f):
    """Marks a function as a step; its docstring is its name."""
    STEPS.append(f)
    return f


def raises(error, f, *args, **kwargs):
    """Calls f, which must raise exactly this error, and returns the error."""
    try:
        got = f(*args, **kwargs)
    except etcd.EtcdException as e:
        assert type(e) is error, "raised %r, want %s" % (e, error.__name__)
        return e
    raise AssertionError("returned %r, want %s" % (got, error.__name__))


def same(got, want):
    assert got == want, "got %r, want %r" % (got, want)


def until(condition, what, patience=10):
    """Waits until condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain until " + what
        time.sleep(0.02)


class Background:
    """A function in a thread; result() waits for it and hands on its error."""

    def __init__(self, f, *args, **kwargs):
        self.value = self.error = None
        self.thread = threading.Thread(target=self._run, args=(f, args, kwargs), daemon=True)
        self.thread.start()

    def _run(self, f, args, kwargs):
        try:
            self.value = f(*args, **kwargs)
        except BaseException as e:  # handed on
            self.error = e

    def result(self, patience=15):
        self.thread.join(patience)
        assert not self.thread.is_alive(), "still waiting"
        if self.error:
            raise self.error
        return self.value


def watchers(c):
    return c.store_stats["watchers"]


def watching(c, f, *args, **kwargs):
    """Starts f in a thread and returns when the server has one more watcher."""
    before = watchers(c)
    b = Background(f, *args, **kwargs)
    until(lambda: b.error or watchers(c) > before, "the server counts a watcher")
    return b


@step
def read_and_write(c):
    """write, read, get, set, update, in"""
    r = c.write(BASE + "/a", "one")
    same((r.action, r.value, r.newKey, r.createdIndex), ("set", "one", True, r.modifiedIndex))
    same(c.read(BASE + "/a").value, "one")
    r = c.set(BASE + "/a", "two")
    same((r.value, r._prev_node.value, r.newKey), ("two", "one", False))
    r = c.get(BASE + "/a")
    same((r.key, r.value, r.dir, r.ttl), (BASE + "/a", "two", False, None))
    assert r.etcd_index >= r.modifiedIndex and r.raft_index > 0
    r.value = "three"
    same(c.update(r).action, "compareAndSwap")
    same(c.read(BASE + "/a", quorum=True).value, "three")
    assert BASE + "/a" in c and BASE + "/none" not in c


@step
def values(c):
    """values and keys of any kind come back as they went"""
    for v in ("", " ", "é€", "a=b&c+d;e", "<>&\u2028\n\t\"\\", "x" * 100000):
        c.write(BASE + "/v", v)
        same(c.read(BASE + "/v").value, v)
    c.write(BASE + "/ké y", "odd")
    same(c.read(BASE + "/ké y").key, BASE + "/ké y")


@step
def create(c):
    """prevExist, append"""
    c.write(BASE + "/new", "1", prevExist=False)
    raises(etcd.EtcdAlreadyExist, c.write, BASE + "/new", "1", prevExist=False)
    same(c.write(BASE + "/new", "2", prevExist=True).action, "update")
    raises(etcd.EtcdKeyNotFound, c.write, BASE + "/none", "1", prevExist=True)
    first = c.write(BASE + "/q", "1", append=True)
    second = c.write(BASE + "/q", "2", append=True)
    assert first.key < second.key and first.key.startswith(BASE + "/q/0000")
    same([n.value for n in c.read(BASE + "/q", sorted=True, recursive=True).children], ["1", "2"])


@step
def compare(c):
    """test_and_set, prevIndex, and deleting under a condition"""
    c.write(BASE + "/c", "1")
    same(c.test_and_set(BASE + "/c", "2", "1").value, "2")
    e = raises(etcd.EtcdCompareFailed, c.test_and_set, BASE + "/c", "3", "1")
    same(e.payload["cause"], "[1 != 2]")
    assert isinstance(e, ValueError)
    r = c.read(BASE + "/c")
    same(c.write(BASE + "/c", "3", prevIndex=r.modifiedIndex).createdIndex, r.createdIndex)
    raises(etcd.EtcdCompareFailed, c.write, BASE + "/c", "4", prevIndex=r.modifiedIndex)
    raises(etcd.EtcdCompareFailed, c.delete, BASE + "/c", prevValue="1")
    same(c.delete(BASE + "/c", prevValue="3").action, "compareAndDelete")
    raises(etcd.EtcdKeyNotFound, c.read, BASE + "/c")


@step
def ttl(c):
    """ttl, refresh, expiry"""
    r = c.write(BASE + "/t", "1", ttl=1000)
    assert r.ttl == 1000 and r.expiration, r
    r = c.refresh(BASE + "/t", ttl=2000)
    same((r.value, r.ttl), ("1", 2000))
    raises(etcd.EtcdKeyNotFound, c.refresh, BASE + "/none", ttl=1)
    c.write(BASE + "/t", "2")
    same(c.read(BASE + "/t").ttl, None)
    began = time.monotonic()
    c.write(BASE + "/t", "3", ttl=1)
    until(lambda: BASE + "/t" not in c, "the key expires")
    took = time.monotonic() - began
    assert 1 <= took < 3, "expired after %.2f s" % took


@step
def directories(c):
    """directories, children, leaves, hidden names, deleting"""
    c.write(BASE + "/d", None, dir=True)
    raises(etcd.EtcdNotFile, c.write, BASE + "/d", "value")
    c.write(BASE + "/d/a", "1")
    c.write(BASE + "/d/s/b", "2")
    c.write(BASE + "/d/s/t/c", "3")
    c.write(BASE + "/d/_hidden", "4")
    raises(etcd.EtcdNotDir, c.write, BASE + "/d/a/below", "5")
    r = c.read(BASE + "/d", recursive=True, sorted=True)
    same([(n.key[len(BASE):], n.value) for n in r.leaves], [("/d/a", "1"), ("/d/s/b", "2"), ("/d/s/t/c", "3")])
    same([n.key[len(BASE):] for n in r.get_subtree()], ["/d", "/d/a", "/d/s", "/d/s/b", "/d/s/t", "/d/s/t/c"])
    same([n.key[len(BASE):] for n in c.read(BASE + "/d", sorted=True).children], ["/d/a", "/d/s"])
    raises(etcd.EtcdNotFile, c.delete, BASE + "/d")
    raises(etcd.EtcdDirNotEmpty, c.delete, BASE + "/d", dir=True)
    same(c.pop(BASE + "/d/a").value, "1")
    r = c.delete(BASE + "/d", recursive=True)
    same((r.action, r.dir), ("delete", True))
    raises(etcd.EtcdKeyNotFound, c.read, BASE + "/d/s/b")


@step
def errors(c):
    """other errors have their classes"""
    raises(etcd.EtcdRootReadOnly, c.write, "/", "1")
    raises(etcd.EtcdRootReadOnly, c.delete, "/", recursive=True)
    raises(etcd.EtcdValueError, c.write, BASE + "/e", "1", ttl="soon")
    raises(etcd.EtcdValueError, c.write, BASE + "/e", "1", prevIndex="x")
    raises(etcd.EtcdWatchTimedOut, c.watch, BASE + "/never", timeout=0.3)
    for i in range(1001):
        c.write(BASE + "/busy", str(i))
    # The history of etcd is a thousand events long; more may be kept.
    old = c.read(BASE + "/busy").modifiedIndex - 1000
    try:
        same(c.watch(BASE + "/busy", index=old).modifiedIndex, old)
    except etcd.EtcdEventIndexCleared as e:
        same(e.payload["errorCode"], 401)


@step
def watch(c):
    """watch, recursively and from an index"""
    w = watching(c, c.watch, BASE + "/w")
    first = c.write(BASE + "/w", "1")
    r = w.result()
    same((r.action, r.key, r.value, r.modifiedIndex), ("set", first.key, "1", first.modifiedIndex))
    second = c.write(BASE + "/w", "2")
    c.write(BASE + "/w", "3")
    same(c.watch(BASE + "/w", index=second.modifiedIndex).value, "2")
    same(c.read(BASE + "/w", wait=True, waitIndex=second.modifiedIndex + 1).value, "3")
    w = watching(c, c.watch, BASE + "/wd", recursive=True)
    c.write(BASE + "/wd/x/y", "deep")
    same(w.result().key, BASE + "/wd/x/y")
    w = watching(c, c.watch, BASE + "/wd/x/y")
    c.delete(BASE + "/wd", recursive=True)
    r = w.result()
    same((r.action, r.key), ("delete", BASE + "/wd"))


@step
def eternal(c):
    """eternal_watch brings every event, an expiry too"""
    start = c.write(BASE + "/et/start", "0").modifiedIndex
    c.write(BASE + "/et/a", "1")
    c.write(BASE + "/et/a", "2", ttl=1)

    def follow():
        seen = []
        for r in c.eternal_watch(BASE + "/et", index=start + 1, recursive=True):
            seen.append((r.action, r.key[len(BASE):], r.value))
            if r.action == "expire":
                return seen

    same(Background(follow).result(), [("set", "/et/a", "1"), ("set", "/et/a", "2"), ("expire", "/et/a", None)])


@step
def lock(c):
    """Lock: acquire, release, refuse, wait for another thread"""
    mine, other = etcd.Lock(c, "day"), etcd.Lock(c, "day")
    assert mine.acquire(lock_ttl=60) and mine.is_acquired
    assert not other.acquire(blocking=False) and not other.is_acquired
    waiting = watching(c, other.acquire, blocking=True, lock_ttl=60)
    assert waiting.thread.is_alive()
    mine.release()
    assert waiting.result() and other.is_acquired and not mine.is_acquired
    other.release()
    with etcd.Lock(c, "day") as held:
        assert held.is_acquired
    assert not held.is_acquired


@step
def lock_expiry(c):
    """Lock: one that is not renewed goes to the next"""
    mine, other = etcd.Lock(c, "day-expiry"), etcd.Lock(c, "day-expiry")
    assert mine.acquire(lock_ttl=1)
    assert other.acquire(blocking=True, lock_ttl=60)
    assert not mine.is_acquired
    other.release()


@step
def lock_contention(c):
    """Lock: several threads, one at a time"""
    inside, most, turns = [], [], []

    def work():
        own = client_like(c)
        for _ in range(3):
            with etcd.Lock(own, "day-many"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()
                turns.append(1)

    for b in [Background(work) for _ in range(4)]:
        b.result(30)
    same((max(most), len(turns)), (1, 12))


@step
def cluster(c):
    """machines, leader, members, version, stats"""
    same(c.machines, [c.base_uri])
    leader = c.leader
    same(leader["clientURLs"], [c.base_uri])
    same(c.members, {leader["id"]: leader})
    assert c.version.startswith(("2.", "3.")) and c.cluster_version, (c.version, c.cluster_version)
    same(c.stats["state"], "StateLeader")
    same(c.leader_stats["leader"], leader["id"])
    assert c.store_stats["setsSuccess"] > 0
    assert c.expected_cluster_id


@step
def reconnect(c):
    """a client with several hosts finds the one that answers"""
    alive = (c.host, c.port)
    many = etcd.Client(host=(alive, ("127.0.0.1", 1)), allow_reconnect=True)
    same(many.write(BASE + "/r", "1").value, "1")
    dead_first = etcd.Client(host=(("127.0.0.1", 1), alive), allow_reconnect=True)
    same(dead_first.read(BASE + "/r").value, "1")


def client_like(c):
    return etcd.Client(host=c.host, port=c.port, lock_prefix=c.lock_prefix)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: day.py URL")
    at = urlparse(sys.argv[1])
    c = etcd.Client(host=at.hostname, port=at.port, lock_prefix=BASE + "/_locks")
    failed = 0
    try:
        for f in STEPS:
            try:
                f(c)
                print("ok    python-etcd: %s" % f.__doc__, flush=True)
            except Exception as e:
                failed += 1
                print("FAIL  python-etcd: %s\n      %s: %s" % (f.__doc__, type(e).__name__, e), flush=True)
    finally:
        c.delete(BASE, recursive=True)
    print("%d steps, %d failed" % (len(STEPS), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
