#!/usr/bin/env python3
"""Every command of docs/cookbook.md, in its order, at a simulated door. What it asks for is there, so each has to say something.

Needs jq, curl and sqlite3."""
import os
import pathlib
import re
import subprocess

import house
from house import House, opens
from kit.simlock import ANNA, BEN, NUKI_ID
from kit.waiting import expect
from kit.workspace import run_script, step

# These may find nothing, and then print nothing: it is not night, nothing is left unlocked.
MAY_BE_SILENT = ("23:00", "local_until is null")


def commands():
    text = (house.ROOT / "docs" / "cookbook.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    return [line for block in blocks for line in block.splitlines()]


class Reader:
    """Types what the cook-book says: `sudo` is nobody here, and the directory and the port are the test's."""

    def __init__(self, workspace, home):
        shims = workspace.dir / "bin"
        shims.mkdir()
        (shims / "keyturner").symlink_to(workspace.keyturner)
        sudo = shims / "sudo"
        sudo.write_text('#!/bin/sh\nexec "$@"\n')
        sudo.chmod(0o755)
        self.directory, self.data, self.base = workspace.dir, str(home.gateway.data), home.gateway.api.base
        self.env = {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}", "STATE_DIRECTORY": self.data, "TOKEN": home.gateway.api.token,
                    "KEYTURNER_LISTEN": self.base.removeprefix("http://")}
        (workspace.dir / "url").write_text("http://127.0.0.1:9/kids\n")

    def type(self, line):
        line = line.replace("http://127.0.0.1:8080", self.base).replace("/var/lib/keyturner", self.data)
        done = subprocess.run(["bash", "-c", line], cwd=self.directory, env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        expect(done.returncode == 0, f"`{line}` exits 0", done.returncode, done.stdout, done.stderr)
        return done.stdout


def test(workspace, _args):
    home = House(workspace)
    for person in (ANNA, BEN):
        opens(home, f"keypad {person.digits}", person.name)
        home.close_up()
    before = home.newest()
    home.sim.type_wrong_code()
    home.wait_event("the wrong code is in the history", lambda e: e["refused"], before)
    home.gateway.api.json("/unlock", nukiId=NUKI_ID)
    home.wait_event("the client's action is in the history", lambda e: "client" in e, before)
    reader = Reader(workspace, home)
    for line in commands():
        step(line if len(line) < 110 else line[:107] + "...")
        said = reader.type(line)
        if not any(words in line for words in MAY_BE_SILENT):
            expect(said.strip() and '"events": []' not in said, f"`{line}` says something", said)
        for person in (ANNA, BEN):
            expect(person.digits not in said, "no digits of a code are shown", said)
    expect(all(e["name"] != BEN.name for e in home.history()), "who was erased is named no more", home.history())


if __name__ == "__main__":
    run_script(test)
