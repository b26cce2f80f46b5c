"""Every command of README.md, in its order, with a simulated lock in place of the reader's.

`sudo` and `systemctl` are played by this script: there may be no systemd here. The unit that the
package installed is checked by systemd's own tool and started as systemd would: its command, its user,
its state directory. What systemd itself makes of it: tests/package/service."""
import configparser
import contextlib
import json
import os
import pathlib
import pwd
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "clients"))

from kit.fakebus import FakeBus
from kit.gateway import HttpApi
from kit.simlock import ANNA, NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

PORT = 8080
UNIT = pathlib.Path("/usr/lib/systemd/system/keyturner.service")
DATABASE = pathlib.Path("/var/lib/keyturner/keyturner.db")
BACKUP = pathlib.Path("/var/backups/keyturner.db")
# The worst that `systemd-analyze security` may find, times ten.
EXPOSURE = 15


def commands(heading):
    """The lines of the shell blocks below a heading."""
    text = (ROOT / "README.md").read_text()
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.S | re.M)
    expect(blocks, f"the README has commands under {heading}")
    return [line for block in blocks for line in block.splitlines() if line.strip()]


class Reader:
    """Types what the README says."""

    def __init__(self, workspace):
        self.workspace, self.env, self.asked = workspace, dict(os.environ), workspace.dir / "systemctl"
        shims = workspace.dir / "bin"
        shims.mkdir()
        self._shim(shims / "sudo", 'exec "$@"')
        self._shim(shims / "systemctl", f'echo "$*" >> {self.asked}')
        self.env["PATH"] = f"{shims}:{self.env['PATH']}"

    @staticmethod
    def _shim(path, body):
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def type(self, line, seconds=1800):
        step(line)
        done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        expect(done.returncode == 0, f"`{line}` exits 0", done.returncode, done.stdout[-3000:])
        return done.stdout

    def type_section(self, heading):
        return [self.type(line) for line in commands(heading)]


@contextlib.contextmanager
def file_of_the_readers(name, content):
    """A file that the README tells its reader to write, and to remove afterwards."""
    path = ROOT / name
    expect(not path.exists(), f"{path} is not there; move it away")
    try:
        path.write_text(content)
        path.chmod(0o600)
        yield
    finally:
        path.unlink(missing_ok=True)


def check_unit():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", str(UNIT)],
                          capture_output=True, text=True)
    expect(done.returncode == 0, f"the unit's exposure is at most {EXPOSURE / 10}", done.stdout[-400:], done.stderr)


def start_service(workspace, bus):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(UNIT)
    service = unit["Service"]
    user = pwd.getpwnam(service["User"])
    state = pathlib.Path("/var/lib") / service["StateDirectory"]
    expect(state.stat().st_uid == user.pw_uid, f"{state} belongs to {user.pw_name}", state.stat().st_uid)
    command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups",
               "--inh-caps=-all", "--no-new-privs", *service["ExecStart"].split()]
    environment = {**bus.env, "STATE_DIRECTORY": str(state)}
    return workspace.start("service", command, env=environment)


def test(workspace, _args):
    reader = Reader(workspace)
    demo = reader.type_section("See it work")[-1]
    expect("Anna unlocked the door with keypad code 1" in demo, "the demo names Anna", demo)
    print("\n".join(f"      {line}" for line in demo.splitlines()[-12:]))
    tests = reader.type_section("Run its tests")[-1]
    # The runner's own closing lines, for whoever reads the log of this script.
    print("\n".join(line for line in tests.splitlines() if line.startswith("test result:")))
    reader.type_section("Install")
    check_unit()

    lock = SimLock(workspace)
    bus = FakeBus(workspace, lock)
    reader.env.update(bus.env)
    with file_of_the_readers("pin", lock.pin_file.read_text()):
        lock.command("pairing on")
        pair_line, start_line, status_line = commands("Pair")
        paired = reader.type(pair_line)
    expect("The PIN is right." in paired, "the PIN is checked at once", paired)
    reader.type(start_line)
    for file in [DATABASE, DATABASE.with_name("keyturner.lock")]:
        expect(file.owner() == DATABASE.parent.owner(), f"{file} is the service's, although root made it", file.owner())
    expect(reader.asked.read_text() == "start keyturner\n", "the service is started", reader.asked.read_text())
    service = start_service(workspace, bus)

    token_line, *client_lines, check_line, _restart = commands("Connect a client")
    reader.env["TOKEN"] = reader.type(token_line).strip()
    api = HttpApi(PORT, reader.env["TOKEN"])
    wait_for("the gateway has read the lock", lambda: api.is_up() and api.known_state(NUKI_ID), 60, alive=[service])
    listed, added = [reader.type(line) for line in client_lines]
    expect(json.loads(listed)[0]["nukiId"] == NUKI_ID, "the lock is listed", listed)
    expect(json.loads(added)["success"] is True, "the callback is registered", added)
    expect("keyturner.toml" in reader.type(check_line), "the configuration is checked")

    lock.command(f"keypad {ANNA.digits}")
    status = reader.type(status_line)
    print("\n".join(f"      {line}" for line in status.splitlines()))
    wait_for("the event is stored", lambda: any(e["name"] == ANNA.name for e in api.json("/v1/history")["events"]), 60, alive=[service])
    answers = reader.type_section("Ask who opened the door")
    for line, answer in zip(commands("Ask who opened the door"), answers):
        expect(ANNA.name in answer, f"`{line}` names {ANNA.name}", answer)
        print("\n".join(f"      {text}" for text in answer.splitlines()[-4:]))
    asked = subprocess.run(["sqlite3", "-bail", "-readonly", str(DATABASE)], stdin=(ROOT / "docs/queries.sql").open(),
                           capture_output=True, text=True)
    expect(asked.returncode == 0 and ANNA.name in asked.stdout, "every question of docs/queries.sql is answered", asked)

    with file_of_the_readers("url", "http://127.0.0.1:9/door?token=hidden\n"):
        added, listed = reader.type_section("Push events to a program")
    expect("hidden" not in added + listed and "alarm" in listed, "the webhook is listed without its address", listed)

    BACKUP.unlink(missing_ok=True)
    health, clock, verified, _, exported, _ = reader.type_section("Rely on it")
    for name, answer in [("health", health), ("clock", clock), ("verify", verified), ("export", exported)]:
        print(f"      {name}: " + " | ".join(answer.splitlines()[:4]))
    expect(ANNA.name in exported, f"the export is about {ANNA.name}", exported)
    expect(BACKUP.stat().st_mode & 0o077 == 0, "nobody else can read the copy", oct(BACKUP.stat().st_mode))
    BACKUP.unlink()
    for file in [DATABASE, DATABASE.with_name("keyturner.db-wal")]:
        expect(not file.exists() or ANNA.name.encode() not in file.read_bytes(), f"{ANNA.name} is in no byte of {file}")
    reader.type(commands("Rely on it")[2])
    expect(service.stop() == 0, "the service ends with exit code 0 on TERM")
    expect(DATABASE.stat().st_mode & 0o077 == 0, "nobody else can read the event log", oct(DATABASE.stat().st_mode))


if __name__ == "__main__":
    run_script(test)
