"""A real HTTP server. Prints its port, then a line of JSON for each POST it got. Argument: JSON with `certificate` and `key`
(else no TLS), `answers` (status codes before 204; 0 closes without an answer)."""
import json
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

how = json.loads(sys.argv[1])


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body}), flush=True)
        code = how["answers"].pop(0) if how.get("answers") else 204
        if code == 0:
            self.close_connection = True
            return
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
if "certificate" in how:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(how["certificate"], how["key"])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
