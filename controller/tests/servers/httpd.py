"""A real HTTP server. Prints its port, then a line of JSON for each POST and PUT it got. Argument: JSON with `certificate` and
`key` (else no TLS), `port` (else a free one), `answers` (status codes before 204; 0 closes without an answer, after what was
asked for was done), `state` (a file: what was put is kept there by path, and GET answers with it), `seen` (a file: a line of
JSON for each GET)."""
import json
import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

how = json.loads(sys.argv[1])


def kept():
    if "state" in how and os.path.exists(how["state"]):
        with open(how["state"]) as file:
            return json.load(file)
    return {}


def keep(path, body):
    state = kept()
    state[path] = json.loads(body)
    with open(how["state"] + ".new", "w") as file:
        json.dump(state, file)
    os.rename(how["state"] + ".new", how["state"])


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        code = how["answers"].pop(0) if how.get("answers") else 204
        if "state" in how and code in (0, 204):
            keep(self.path, body)
        got = {"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body}
        print(json.dumps(got), flush=True)
        if code == 0:
            self.close_connection = True
            return
        said = b"no such line\n" if code == 422 else b""
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_PUT = do_POST

    def do_GET(self):
        if "seen" in how:
            with open(how["seen"], "a") as file:
                file.write(json.dumps({"path": self.path, "headers": dict(self.headers)}) + "\n")
        found = kept().get(self.path)
        said = json.dumps(found).encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *args):
        pass


ThreadingHTTPServer.allow_reuse_address = True
server = ThreadingHTTPServer(("127.0.0.1", how.get("port", 0)), Hook)
if "certificate" in how:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(how["certificate"], how["key"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
