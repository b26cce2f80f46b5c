#!/usr/bin/env python3
"""examples/litestream.yml with the real Litestream beside the gateway: docs/backup.md, step by step.

Needs the packages of litestream/requirements.txt; `tests/examples/run litestream` provides them."""
import os
import pathlib
import shutil
import sqlite3
import subprocess

from house import EXAMPLES, House, opens
from kit.simlock import ANNA, BEN, NUKI_ID
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

# SQLite's three files and Litestream's own directory beside them.
OURS = ("keyturner.db", "keyturner.db-wal", "keyturner.db-shm", ".keyturner.db-litestream")


class Litestream:
    def __init__(self, workspace, home):
        self.workspace, self.data, self.replica = workspace, home.gateway.data, workspace.dir / "replica"
        self.program = os.environ.get("LITESTREAM")
        expect(self.program, "LITESTREAM names the program; use `tests/examples/run litestream`")
        text = (EXAMPLES / "litestream.yml").read_text()
        for old, new in (("/var/lib/keyturner", self.data), ("/media/usb/keyturner", self.replica)):
            expect(old in text, f"the example has {old} to change")
            text = text.replace(old, str(new))
        self.config = workspace.dir / "litestream.yml"
        self.config.write_text(text)
        self.start()

    def start(self):
        self.process = self.workspace.start("litestream", [self.program, "replicate", "-config", self.config])

    def stop(self):
        code = self.process.stop()
        expect(code == 0, "Litestream ends with exit code 0", code)

    def restore(self, to):
        """What the replica holds, or None while it holds nothing."""
        done = subprocess.run([self.program, "restore", "-config", self.config, "-o", to, self.data / "keyturner.db"],
                              capture_output=True, text=True, timeout=60)
        return to if done.returncode == 0 else None

    def caught_up(self, home):
        """A restored copy, in a directory of its own, as soon as it holds the newest event of the gateway's log."""
        directory = self.workspace.dir / "look"

        def newest():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(mode=0o700)
            if not self.restore(directory / "keyturner.db"):
                return False
            with sqlite3.connect(directory / "keyturner.db") as database:
                held = database.execute("select max(id) from events").fetchone()[0]
            database.close()
            return held == home.newest()
        wait_for("the replica holds the newest event", newest, alive=[self.process])
        return directory


def head(home):
    """The head that the gateway itself tells."""
    chain = home.gateway.api.json("/v1/health")["chainHead"]
    return f"{chain['id']}:{chain['hash']}"


def verify(workspace, directory, at):
    done = subprocess.run([workspace.keyturner, "verify", "--data", directory, "--head", at], capture_output=True, text=True, timeout=60)
    expect(done.returncode == 0, "the restored log is whole and ends where the gateway's does", done.stdout, done.stderr)


def comes_and_goes(home, person):
    opens(home, f"keypad {person.digits}", person.name)
    home.close_up()


def traces(name, *directories):
    return [str(f) for d in directories for f in pathlib.Path(d).rglob("*") if f.is_file() and name.encode() in f.read_bytes()]


def test(workspace, _args):
    home = House(workspace)
    gateway = home.gateway
    litestream = Litestream(workspace, home)

    step("everything is in the replica, over a kill -9 and a stop of the gateway")
    comes_and_goes(home, ANNA)
    verify(workspace, litestream.caught_up(home), head(home))
    gateway.process.kill()
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    comes_and_goes(home, BEN)
    verify(workspace, litestream.caught_up(home), head(home))
    expect(gateway.process.stop() == 0, "the gateway ends with exit code 0")
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    comes_and_goes(home, ANNA)
    verify(workspace, litestream.caught_up(home), head(home))

    step("the disk is lost: secrets.json by hand, the log from the replica")
    events, last = home.history(), head(home)
    expect(gateway.process.stop() == 0, "the gateway ends with exit code 0")
    litestream.stop()
    lost = workspace.dir / "lost"
    lost.mkdir()
    for name in OURS:
        if (gateway.data / name).exists():
            (gateway.data / name).rename(lost / name)
    expect(litestream.restore(gateway.data / "keyturner.db"), "the log is restored")
    verify(workspace, gateway.data, last)
    litestream.start()
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    expect(home.history() == events, "the history is as before")
    comes_and_goes(home, BEN)
    verify(workspace, litestream.caught_up(home), head(home))

    step("a person is erased: not to the end while Litestream runs, and from its files only by making them anew")
    erase = [workspace.keyturner, "erase", "--data", gateway.data, "--user", BEN.name, "--yes"]
    done = subprocess.run(erase, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 1 and "another program holds the database" in done.stderr, "erase says what is left to do", done)
    litestream.stop()
    done = subprocess.run(erase, capture_output=True, text=True, timeout=60)
    expect(done.returncode == 1 and "knows nothing of this person" in done.stderr, "the second run finds only traces, and wipes them", done)
    expect(traces(BEN.name, litestream.replica), "the replica still holds the person")
    shutil.rmtree(litestream.replica)
    shutil.rmtree(gateway.data / ".keyturner.db-litestream")
    litestream.start()
    comes_and_goes(home, ANNA)
    verify(workspace, litestream.caught_up(home), head(home))
    with sqlite3.connect(workspace.dir / "look" / "keyturner.db") as database:
        named = database.execute("select count(*) from audit where who = ?", (BEN.name,)).fetchone()[0]
    expect(named == 0, "the replica names the person nowhere", named)


if __name__ == "__main__":
    run_script(test)
