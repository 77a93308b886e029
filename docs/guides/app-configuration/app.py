#!/usr/bin/python3
"""A web server that has its configuration in the tree, and follows it.

   app.py PORT HOST:PORT[,HOST:PORT...] DIRECTORY

It listens on PORT. Behind that come members of the cluster, and the directory
with the keys "greeting" and "limit".
"""
import http.server
import sys
import threading
import time

import etcd


class Settings:
    """What the keys say, and what holds where they say nothing."""

    def __init__(self, values):
        self.greeting = values.get("greeting", "Hello")
        self.limit = int(values.get("limit", "10"))
        if not 1 <= self.limit <= 1000:
            raise ValueError("limit must be from 1 to 1000, not %d" % self.limit)


def connect(members, timeout):
    hosts = tuple((host, int(port)) for host, port in (m.rsplit(":", 1) for m in members.split(",")))
    return etcd.Client(host=hosts, allow_reconnect=True, read_timeout=timeout)


def read(client, directory):
    """Returns the values of all keys, and the index as of which they are so."""
    # quorum, because this member may be behind the one that told of a change.
    result = client.read(directory, recursive=True, quorum=True)
    values = {leaf.key[len(directory) + 1:]: leaf.value for leaf in result.leaves if not leaf.dir}
    return values, result.etcd_index


def wait(client, directory, index):
    """Returns when something has happened after index, or may have."""
    try:
        client.watch(directory, index=index + 1, recursive=True)
    except etcd.EtcdWatchTimedOut:
        pass  # a connection can die without a word, so it looks every minute
    except etcd.EtcdEventIndexCleared:
        pass  # the history does not reach back so far, but what holds now can be read


def follow(members, directory, take):
    """Calls take with the values, now and whenever they have changed."""
    last = None
    while True:
        try:
            # python-etcd forgets members that it did not reach: after a failure
            # it is begun anew, with all of them.
            reader, watcher = connect(members, 5), connect(members, 60)
            while True:
                values, index = read(reader, directory)
                if values != last:
                    take(values)
                    last = values
                wait(watcher, directory, index)
        except etcd.EtcdException as problem:
            log("no news of the configuration: %s" % problem)
            time.sleep(1)


def log(text):
    print(text, file=sys.stderr, flush=True)


class App:
    def __init__(self):
        self.settings = None
        self.begun = threading.Event()

    def take(self, values):
        try:
            self.settings = Settings(values)  # one assignment: no request sees half of it
        except ValueError as problem:
            log("not taken, going on as before: %s" % problem)
            return
        log("taken: %s" % vars(self.settings))
        self.begun.set()

    def answer(self):
        settings = self.settings
        return "%s, at most %d\n" % (settings.greeting, settings.limit)


def serve(app, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = app.answer().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main():
    port, members, directory = sys.argv[1:]
    app = App()
    threading.Thread(target=follow, args=(members, directory.rstrip("/"), app.take), daemon=True).start()
    app.begun.wait()  # without settings there is nothing to serve
    serve(app, int(port))


main()
