"""The gateway under test: pair, run, token, its HTTP API and its database."""
import json
import os
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from . import leaks
from .waiting import expect, wait_for


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(base, path, **parameters):
    """(status, body text) of a GET; (None, reason) while nobody listens."""
    url = f"{base}{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return None, str(error)


class HttpApi:
    """The gateway's HTTP API with a plain token."""

    def __init__(self, port, token):
        self.base, self.token, self.port = f"http://127.0.0.1:{port}", token, port
        leaks.keep_token(token)

    def json(self, path, **parameters):
        status, body = get(self.base, path, **parameters, token=self.token)
        expect(status == 200, f"GET {path} {parameters} answers 200", status, body)
        return json.loads(body)

    def is_up(self):
        return get(self.base, "/list", token=self.token)[0] == 200

    def known_state(self, nuki_id):
        """lastKnownState of the lock, or None before it was read."""
        return next((d.get("lastKnownState") for d in self.json("/list") if d["nukiId"] == nuki_id), None)

    def wait_state(self, nuki_id, state, seconds=60, alive=()):
        wait_for(f"/list says state {state} of {nuki_id:08X}",
                 lambda: (self.known_state(nuki_id) or {}).get("state") == state, seconds, alive=alive)


class Gateway:
    def __init__(self, workspace, bus):
        self.workspace, self.bus = workspace, bus
        self.data = workspace.dir / "data"
        self.data.mkdir(mode=0o700)
        self.process, self.api = None, None

    def pair(self, lock, seconds=60):
        lock.command("pairing on")
        log = self.workspace.logs / "pair.log"
        with open(log, "ab") as out:
            done = subprocess.run([self.workspace.keyturner, "pair", "--data", self.data, "--pin-file", lock.pin_file,
                                   "--timeout", str(seconds)], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  env=self._environment(), timeout=seconds + 30)
        expect(done.returncode == 0, f"`keyturner pair` exits 0, see {log}", done.returncode)
        secrets = self.data / "secrets.json"
        expect(secrets.exists(), f"`keyturner pair` leaves {secrets}")
        mode = secrets.stat().st_mode & 0o777
        expect(mode == 0o600, f"{secrets} has mode 600", oct(mode))
        leaks.keep_store(secrets)

    def _environment(self):
        return {**os.environ, **self.bus.env}

    def token(self):
        token = self.run("token").strip()
        expect(token, "`keyturner token` prints a token")
        return token

    def run(self, *command):
        """One `keyturner` command about this gateway, which must succeed; what it prints."""
        done = subprocess.run([self.workspace.keyturner, *command, "--data", self.data], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=self._environment(), timeout=30)
        expect(done.returncode == 0, f"`keyturner {' '.join(command)}` exits 0", done.returncode, done.stderr)
        return done.stdout

    def start(self, seconds=60, options=()):
        """`keyturner run`; returns when the API answers."""
        port = free_port()
        self.process = self.workspace.start("run", [self.workspace.keyturner, "run", "--data", self.data,
                                                    "--listen", f"127.0.0.1:{port}", *options], env=self.bus.env)
        self.api = HttpApi(port, self.token())
        wait_for("the gateway answers GET /list", self.api.is_up, seconds, alive=[self.process])

        self._up_at = int(time.time())

    def wait_single_use_tokens(self):
        """Tokens that carry their time are refused up to the second of the start: they could be replays from before it."""
        wait_for("the second of the gateway's start is over", lambda: int(time.time()) > self._up_at, 5)

    def wait_first_state(self, nuki_id, seconds=60):
        wait_for("the gateway has read the lock once", lambda: self.api.known_state(nuki_id), seconds, alive=[self.process])

    def rows(self, query, *parameters):
        """Rows of the gateway's database as dictionaries, read while it runs."""
        database = sqlite3.connect(f"file:{self.data / 'keyturner.db'}?mode=ro", uri=True, timeout=10)
        try:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query, parameters)]
        finally:
            database.close()
