#!/usr/bin/env python3
"""The web page in headless Chromium: the real daemon over the fake org.bluez, a simulated lock, and people at its door.

`tests/page/run` provides Node packages and a browser; checks.mjs has what is expected."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

from kit.fakebus import FakeBus  # noqa: E402
from kit.gateway import Gateway  # noqa: E402
from kit.simlock import ANNA, BEN, NUKI_ID, WRONG_DIGITS, SimLock  # noqa: E402
from kit.waiting import expect  # noqa: E402
from kit.workspace import run_script  # noqa: E402


def added_token(gateway, name, scopes):
    """A token of its own, and what it is."""
    return gateway.run("token", "add", "--name", name, "--scope", scopes).strip().rsplit(" ", 1)[-1]


def test(workspace, _args):
    modules = pathlib.Path(os.environ.get("PAGE_NODE", HERE / "node_modules"))
    expect(modules.is_dir(), f"there are node packages in {modules}; use `tests/page/run`")
    # Modules are looked for beside the script.
    scripts = workspace.dir / "page"
    scripts.mkdir()
    (scripts / "node_modules").symlink_to(modules)
    for script in HERE.glob("*.mjs"):
        (scripts / script.name).write_bytes(script.read_bytes())
    sim = SimLock(workspace)
    gateway = Gateway(workspace, FakeBus(workspace, sim))
    gateway.pair(sim)
    watcher = added_token(gateway, "watcher", "read,history")
    resident = added_token(gateway, "resident", "read,history,lock,unlock")
    reader = added_token(gateway, "reader", "history")
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    # Tokens and digits go by the environment, as at no other place others could read them.
    environment = {**os.environ, "PAGE": gateway.api.base, "OWNER": gateway.api.token, "RESIDENT": resident,
                   "WATCHER": watcher, "READER": reader, "NUKI_ID": str(NUKI_ID), "DOOR": str(sim.control), "ANNA": ANNA.digits,
                   "BEN": BEN.digits, "NOBODY": WRONG_DIGITS, "KEYTURNER": str(workspace.keyturner),
                   "DATA": str(gateway.data), "SHOTS": str(workspace.dir)}
    done = subprocess.run(["node", scripts / "checks.mjs"], env=environment, stdin=subprocess.DEVNULL, timeout=300)
    expect(done.returncode == 0, "every check passes, see above", done.returncode)


if __name__ == "__main__":
    run_script(test)
