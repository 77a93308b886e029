#!/usr/bin/python3
"""Clients of HAProxy, for the test: until SIGTERM, which has them count.

   load.py PORT [quick]

Some make a connection for each request, some keep theirs, some fetch what takes
seconds, unless all are to be quick. A request fails if its answer is not 200, is not whole, or does not come.
Who keeps a connection asks again on a new one if the old one ends before the
answer begins, as all HTTP clients do: a server may close what is idle.
"""
import collections
import http.client
import signal
import sys
import threading
import time

port = int(sys.argv[1])
stop = threading.Event()
done = collections.Counter()
failures = []


def connect():
    return http.client.HTTPConnection("127.0.0.1", port, timeout=10)


def get(connection, path):
    connection.request("GET", path, headers={"Host": "web.example.com"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200 or not body.endswith(b"\n"):
        raise AssertionError("%d %r" % (answer.status, body[:60]))
    done[path] += 1


def on_new_connections(path):
    while not stop.wait(0.01):
        connection = connect()
        try:
            get(connection, path)
        except Exception as problem:
            failures.append("%s: %r" % (path, problem))
        finally:
            connection.close()


def on_one_connection(path):
    connection = connect()
    while not stop.wait(0.01):
        kept = connection.sock is not None
        try:
            try:
                get(connection, path)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                if not kept:
                    raise
                done["asked again"] += 1
                connection.close()
                get(connection, path)
        except Exception as problem:
            failures.append("%s, connection kept: %r" % (path, problem))
            connection.close()
    connection.close()


work = [(on_new_connections, "/"), (on_new_connections, "/"), (on_one_connection, "/"),
        (on_one_connection, "/")]
if sys.argv[2:] != ["quick"]:
    work += [(on_new_connections, "/slow"), (on_one_connection, "/slow")]
signal.signal(signal.SIGTERM, lambda *_: stop.set())
threads = [threading.Thread(target=clients, args=(path,)) for clients, path in work]
for thread in threads:
    thread.start()
while not stop.is_set():
    time.sleep(0.1)
for thread in threads:
    thread.join()
for failure in failures[:10]:
    print(failure)
print("requests: %d quick, %d slow, %d asked again; failed: %d"
      % (done["/"], done["/slow"], done["asked again"], len(failures)))
sys.exit(1 if failures else 0)
