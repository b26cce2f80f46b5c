#!/usr/bin/env python3
"""What `keyturner` says at a terminal: the real daemon, a simulated lock, people at its door; terminal.mjs draws it.

`tests/page/terminal` provides Node packages and a browser."""
import fcntl
import json
import os
import pathlib
import pty
import struct
import subprocess
import sys
import termios

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

from kit.fakebus import FakeBus  # noqa: E402
from kit.gateway import Gateway  # noqa: E402
from kit.simlock import ANNA, BEN, NUKI_ID, SimLock  # noqa: E402
from kit.waiting import expect, wait_for  # noqa: E402
from kit.workspace import run_script  # noqa: E402

COLUMNS, ROWS = 100, 40


def at_a_terminal(command, env):
    """Everything that a program writes to a terminal of its own."""
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(command, stdin=side, stdout=side, stderr=side, env=env, start_new_session=True) as program:
        os.close(side)
        said = b""
        while True:
            try:
                part = os.read(main, 4096)
            except OSError:     # the other end is closed
                break
            if not part:
                break
            said += part
    os.close(main)
    expect(program.returncode == 0, f"`{' '.join(map(str, command))}` exits 0", program.returncode, said.decode(errors="replace"))
    return said.decode()


def test(workspace, _args):
    scripts = workspace.dir / "page"
    scripts.mkdir()
    (scripts / "node_modules").symlink_to(os.environ["PAGE_NODE"])
    for script in ("terminal.mjs", "browser.mjs"):
        (scripts / script).write_bytes((HERE / script).read_bytes())
    sim = SimLock(workspace)
    bus = FakeBus(workspace, sim)
    gateway = Gateway(workspace, bus)
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    events = lambda: gateway.api.json("/v1/history")["events"]
    for number, act in enumerate((f"keypad {ANNA.digits}", "manual lock", None, f"keypad {BEN.digits}", "manual lock"), 1):
        sim.type_wrong_code() if act is None else sim.command(act)
        wait_for("it is in the history", lambda: len(events()) >= number, 60)
    env = {**os.environ, **bus.env, "TERM": "xterm-256color", "STATE_DIRECTORY": str(gateway.data),
           "KEYTURNER_LISTEN": gateway.api.base.removeprefix("http://")}
    env.pop("NO_COLOR", None)
    program = str(workspace.keyturner)
    pictures = []
    for name, words in {"cli-status": ["status"], "cli-history": ["history"], "cli-users": ["users"]}.items():
        pictures.append({"name": name, "typed": "keyturner " + " ".join(words), "said": at_a_terminal([program, *words], env)})
    (scripts / "said.json").write_text(json.dumps(pictures))
    done = subprocess.run(["node", scripts / "terminal.mjs", scripts / "said.json", os.environ["PICTURES"]], timeout=120)
    expect(done.returncode == 0, "the pictures are taken", done.returncode)


if __name__ == "__main__":
    run_script(test)
