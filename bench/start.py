#!/usr/bin/env python3
"""How long `keyturner run` takes until it says READY=1 to whoever started it, and until it answers a request; with one
paired lock and an event log that is given.

One JSON object into --out. Run it with bench/run."""
import json
import os
import pathlib
import shutil
import socket
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "clients"))

from kit.fakebus import FakeBus
from kit.gateway import Gateway, free_port
from kit.simlock import SimLock
from kit.workspace import run_script

PATIENCE = 10


class Started:
    """A gateway that was started a moment ago."""

    def __init__(self, workspace, bus, data):
        self.notify = workspace.dir / "notify"
        self.notify.unlink(missing_ok=True)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(self.notify))
        self.told.settimeout(PATIENCE)
        self.port = free_port()
        environment = {**bus.env, "NOTIFY_SOCKET": str(self.notify)}
        self.at = time.monotonic()
        self.process = workspace.start("run", [workspace.keyturner, "run", "--data", data, "--listen", f"127.0.0.1:{self.port}"],
                                       env=environment)

    def until_ready(self):
        while b"READY=1" not in self.told.recv(4096).splitlines():
            self.process.must_be_alive("waiting for READY=1")
        return time.monotonic() - self.at

    def until_answer(self, token):
        request = f"GET /list?token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        while time.monotonic() < self.at + PATIENCE:
            self.process.must_be_alive("waiting for an answer")
            try:
                with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
                    connection.sendall(request)
                    if connection.recv(4096).startswith(b"HTTP/1.1 200 "):
                        return time.monotonic() - self.at
                    raise AssertionError("the first answer is not 200")
            except ConnectionRefusedError:
                time.sleep(0.0005)
        raise AssertionError(f"no answer within {PATIENCE} s")

    def stop(self):
        self.process.stop()
        self.told.close()


def start(workspace, args):
    lock = SimLock(workspace)
    bus = FakeBus(workspace, lock, "--disconnect-seconds", "0.1")
    gateway = Gateway(workspace, bus)
    shutil.copyfile(args.aged, gateway.data / "keyturner.db")
    os.chmod(gateway.data / "keyturner.db", 0o600)
    gateway.pair(lock)
    token = gateway.token()
    figures = {"ready": [], "answer": [], "events": gateway.rows("select count(*) as n from events")[0]["n"]}
    for _ in range(args.starts):
        started = Started(workspace, bus, gateway.data)
        figures["answer"].append(started.until_answer(token))
        figures["ready"].append(started.until_ready())
        started.stop()
    pathlib.Path(args.out).write_text(json.dumps(figures))


def add_arguments(ap):
    ap.add_argument("--aged", required=True, metavar="FILE", help="an event log")
    ap.add_argument("--starts", type=int, default=1)
    ap.add_argument("--out", required=True, metavar="FILE")


if __name__ == "__main__":
    run_script(start, add_arguments)
