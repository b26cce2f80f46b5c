#!/usr/bin/env python3
"""schemathesis against every operation that the served OpenAPI description has: what it says is what is answered, what
it forbids is refused, and nothing that is sent makes the gateway fail. The locks are simulated.

Needs the packages of requirements.txt; `tests/clients/run openapi` provides them. `--examples 2000` takes longer and
looks further; `--seed N` repeats a run."""
import json
import pathlib
import subprocess
import sys

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.simlock import ANNA, NUKI_ID, WRONG_DIGITS, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
STREAM = "/events"


def run(workspace, gateway, name, options):
    """One run of schemathesis, whose report stays beside the other logs if the script fails."""
    log = workspace.logs / f"schemathesis-{name}.log"
    config = workspace.dir / f"{name}.toml"
    config.write_text(f'headers = {{ Authorization = "Bearer {gateway.api.token}" }}\n' + options.pop("config", ""))
    config.chmod(0o600)
    command = [SCHEMATHESIS, "--config-file", config, "run", workspace.dir / "openapi.json", "--url", f"{gateway.api.base}/v1",
               "--checks", "all", "--generation-database", "none", "--no-color", "--continue-on-failure",
               "--warnings", "off", *options.pop("more", [])]
    for option, value in options.items():
        command += [f"--{option.replace('_', '-')}", str(value)]
    with open(log, "wb") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=workspace.dir, timeout=3600)
    expect(done.returncode == 0, f"schemathesis has nothing to say, see {log}", done.returncode)
    print("    " + "\n    ".join(log.read_text().strip().splitlines()[-3:]))


def test(workspace, args):
    sim = SimLock(workspace)
    gateway = Gateway(workspace, FakeBus(workspace, sim))
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    step("somebody comes, and somebody does not get in")
    sim.ask(f"keypad {WRONG_DIGITS}")
    sim.command(f"keypad {ANNA.digits}")
    wait_for("the entry of Anna is in the log", lambda: any(
        entry.get("codeName") == ANNA.name or entry.get("userName") == ANNA.name
        for entry in gateway.api.json("/v1/history")["events"]), 60, alive=[gateway.process])

    (workspace.dir / "openapi.json").write_text(json.dumps(gateway.api.json("/v1/openapi.json")))
    step("every operation but the stream")
    run(workspace, gateway, "all", {"max_examples": args.examples, "seed": args.seed, "more": ["--exclude-path", STREAM]})


def arguments(parser):
    parser.add_argument("--examples", type=int, default=20, metavar="N", help="cases of each operation and phase, at most")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="equal seeds send equal requests")


if __name__ == "__main__":
    run_script(test, arguments)
