#!/usr/bin/env python3
"""hb-nb-tools (Homebridge) and nuki-bridge-api (ioBroker, Node-RED) against the gateway and a simulated lock over the fake
org.bluez. Each is driven by a script in node/, which does what its users do and says what it expected.

Needs Node 20 or newer and the packages of node/package.json; `tests/clients/run node_bridges` provides these."""
import os
import pathlib
import subprocess

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.simlock import NUKI_ID, SimLock
from kit.waiting import expect
from kit.workspace import run_script, step

SCRIPTS = pathlib.Path(__file__).resolve().parent / "node"
CLIENTS = ["hb_nb_tools.mjs", "nuki_bridge_api.cjs"]


def test(workspace, _args):
    modules = pathlib.Path(os.environ.get("CLIENTS_NODE", SCRIPTS)) / "node_modules"
    expect(modules.is_dir(), f"there are node packages in {modules}; use `tests/clients/run node_bridges`")
    # Modules are looked for beside the script.
    scripts = workspace.dir / "node"
    scripts.mkdir()
    (scripts / "node_modules").symlink_to(modules)
    sim = SimLock(workspace)
    bus = FakeBus(workspace, sim)
    gateway = Gateway(workspace, bus)
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    gateway.wait_single_use_tokens()
    for client in CLIENTS:
        step(client)
        (scripts / client).write_bytes((SCRIPTS / client).read_bytes())
        # The token goes by the environment, the control socket for whoever stands at the door.
        environment = {**os.environ, "BRIDGE_PORT": str(gateway.api.port), "BRIDGE_TOKEN": gateway.api.token,
                       "NUKI_ID": str(NUKI_ID), "DOOR": str(sim.control)}
        gateway.run("auth", "allow", "--listen", f"127.0.0.1:{gateway.api.port}")
        done = subprocess.run(["node", scripts / client], env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        for line in done.stdout.splitlines():
            print(f"      {line}", flush=True)
        expect(done.returncode == 0, f"{client} exits 0", done.returncode, done.stderr)
        expect(gateway.api.json("/callback/list") == {"callbacks": []}, f"{client} leaves no callback behind")


if __name__ == "__main__":
    run_script(test)
