#!/usr/bin/env python3
"""schemathesis against every operation that the served OpenAPI description has: what it says is what is answered, what
it forbids is refused, and nothing that is sent makes the gateway fail. The locks are simulated.

Needs the packages of requirements.txt; `tests/clients/run openapi` provides them. `--examples 2000` takes longer and
looks further; `--seed N` repeats a run."""
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.simlock import ANNA, NUKI_ID, WRONG_DIGITS, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
HOOKS = pathlib.Path(__file__).with_name("openapi_hooks.py")
# It never ends, so there is no answer to look at; tests/it/v1_live.rs reads it.
STREAM = "/events"
# Wrong credentials in a row are answered with 429, which schemathesis takes for a fault; refuses_strangers() asks instead.
LEFT_OUT = "ignored_auth"
# What is really there, so that the answers about one person, code and event are seen as well.
KNOWN = {"auth_id": 0, "code_id": ANNA.code_id, "id": 1, "nuki_id": NUKI_ID, "action": "lock"}


def schemathesis(workspace, gateway, args, name, parameters, *options):
    """One run, whose report stays beside the other logs if it finds something."""
    log, config = workspace.logs / f"schemathesis-{name}.log", workspace.dir / f"{name}.toml"
    # The token stands in a file, not in the list of processes.
    config.touch(mode=0o600)
    lines = [f'headers = {{ Authorization = "Bearer {gateway.api.token}" }}', f'hooks = "{HOOKS}"', "[parameters]"]
    lines += [f'"path.{key}" = {json.dumps(value)}' for key, value in parameters.items()]
    # What is forbidden may also be too long.
    lines += ["[checks.negative_data_rejection]",
              'expected-statuses = ["400", "401", "403", "404", "405", "406", "413", "414", "415", "422"]']
    # A code can be removed once, and only so many can be changed within an hour.
    lines += ["[checks.positive_data_acceptance]",
              'expected-statuses = ["2xx", "304", "401", "403", "404", "409", "422", "429"]']
    config.write_text("\n".join(lines) + "\n")
    command = [SCHEMATHESIS, "--config-file", config, "run", workspace.dir / "openapi.json",
               "--url", f"{gateway.api.base}/v1", "--checks", "all", "--exclude-checks", LEFT_OUT,
               "--generation-with-security-parameters", "false", "--generation-database", "none",
               "--continue-on-failure", "--warnings", "off", "--no-color",
               "--seed", str(args.seed), "--max-examples", str(args.examples), *options]
    with open(log, "wb") as out:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=workspace.dir, timeout=3600)
    expect(done.returncode == 0, f"schemathesis finds nothing, see {log}", done.returncode)
    print("    " + next(line.strip() for line in log.read_text().splitlines() if "generated" in line))


def refuses_strangers(gateway, description):
    for path, operations in description["paths"].items():
        for method in operations:
            request = urllib.request.Request(gateway.api.base + "/v1" + path.format(**KNOWN), method=method.upper())
            try:
                status = urllib.request.urlopen(request, timeout=10).status
            except urllib.error.HTTPError as error:
                status = error.code
            # Whoever logs in has none yet: it is in the body, and here is no body.
            expect(status == (415 if (method, path) == ("post", "/session") else 401), f"{method} {path} needs a credential", status)


def test(workspace, args):
    sim = SimLock(workspace)
    gateway = Gateway(workspace, FakeBus(workspace, sim))
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    step("somebody does not get in, and somebody does")
    sim.type_wrong_code()
    sim.command(f"keypad {ANNA.digits}")
    entry = wait_for("Anna stands in the history", lambda: next(
        (e for e in gateway.api.json("/v1/history")["events"] if ANNA.name in e.values()), None), 60, alive=[gateway.process])
    KNOWN["auth_id"] = entry.get("authId", KNOWN["auth_id"])
    description = gateway.api.json("/v1/openapi.json")
    (workspace.dir / "openapi.json").write_text(json.dumps(description))

    step("without a credential every operation answers 401")
    refuses_strangers(gateway, description)
    step("every operation but the stream, with whatever its description allows and forbids")
    schemathesis(workspace, gateway, args, "any", {}, "--exclude-path", STREAM)
    step("the same about what is there")
    schemathesis(workspace, gateway, args, "known", KNOWN, "--include-path-regex", "[{]", "--phases", "coverage,fuzzing")
    code = gateway.process.stop()
    expect(code == 0, "the gateway has borne it all and ends with exit code 0", code)


def arguments(parser):
    parser.add_argument("--examples", type=int, default=20, metavar="N", help="cases of each operation in each phase")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="equal seeds ask alike")


if __name__ == "__main__":
    run_script(test, arguments)
