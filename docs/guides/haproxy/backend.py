#!/usr/bin/python3
"""A service to stand behind HAProxy, for the test.

   backend.py PORT NAME

GET / answers with NAME at once, GET /slow within two seconds, in pieces.
"""
import http.server
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 << 10  # headers and body leave together

    def do_GET(self):
        name = sys.argv[2].encode() + b"\n"
        pieces = 15 if self.path == "/slow" else 1
        self.send_response(200)
        self.send_header("Content-Length", str(pieces * len(name)))
        self.end_headers()
        for _ in range(pieces):
            self.wfile.write(name)
            if pieces > 1:
                self.wfile.flush()
                time.sleep(0.1)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
