"""A callback receiver: records what is POSTed, in order of arrival."""
import http.server
import json
import threading

from .waiting import NotInTime

USER_KEYS = ("userName", "authId", "codeId", "codeName", "authType")


class Receiver:
    def __init__(self, workspace, path="/callback"):
        self.posts = []             # the JSON bodies
        self._arrived = threading.Condition()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                with receiver._arrived:
                    receiver.posts.append(json.loads(body))
                    receiver._arrived.notify_all()

            def log_message(self, *args):
                with open(workspace.logs / "receiver.log", "a") as log:
                    log.write(f"{args[0] % args[1:]}\n")

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.path = path
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        workspace.at_end(self.server.shutdown)

    def url(self, host="127.0.0.1"):
        return f"http://{host}:{self.port}{self.path}"

    def wait_post(self, what, matches, since=0, seconds=30):
        """The first body, from number `since` on, for which matches(body) holds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: any(map(matches, self.posts[since:])), seconds):
                raise NotInTime(f"a POST with {what}: not within {seconds:g} s; there came {self.posts[since:]}")
            return next(body for body in self.posts[since:] if matches(body))


def carries_user(body):
    return any(key in body for key in USER_KEYS)
