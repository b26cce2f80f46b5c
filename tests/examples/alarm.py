#!/usr/bin/env python3
"""examples/alarm.sh: a command runs each time a resident opens the door, and for nobody and nothing else.

Needs jq."""
import json
import os
import shlex
import signal

from house import CLARAS_FOB, DORAS_PHONE, EXAMPLES, GATEWAYS_OWN, House, opens
from kit.simlock import ANNA, BEN, NUKI_ID
from kit.waiting import NotInTime, expect, wait_for
from kit.workspace import run_script, step


class Alarm:
    def __init__(self, workspace, home, residents):
        binaries = workspace.dir / "bin"
        binaries.mkdir()
        (binaries / "keyturner").symlink_to(workspace.keyturner)
        self.heard = workspace.dir / "heard"
        self.heard.touch()
        note = binaries / "note"
        note.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$EVENT\" >> {shlex.quote(str(self.heard))}\n")
        note.chmod(0o755)
        # A group of its own, which is what a service ends as well: a pipe has two ends.
        self.process = workspace.start("alarm", ["setsid", EXAMPLES / "alarm.sh", note],
                                       env={"RESIDENTS": residents, "STATE_DIRECTORY": str(home.gateway.data),
                                            "PATH": f"{binaries}:{os.environ['PATH']}"})
        workspace.at_end(lambda: os.killpg(self.process.popen.pid, signal.SIGTERM))

    def names(self):
        return [json.loads(line)["name"] for line in self.heard.read_text().splitlines()]

    def wait_names(self, names, seconds=15):
        wait_for(f"the command has run for {names}", lambda: self.names() == names, seconds, alive=[self.process])


def test(workspace, _args):
    home = House(workspace)
    # A client is nobody, even where its authorization is listed by mistake.
    alarm = Alarm(workspace, home, f"code:{ANNA.code_id}  auth:{CLARAS_FOB} auth:{GATEWAYS_OWN}")

    step("a resident's code, as soon as it follows")
    for tries in range(5):
        opens(home, f"keypad {ANNA.digits}", ANNA.name)
        home.close_up()
        try:
            alarm.wait_names([ANNA.name], 3)
            break
        except NotInTime:
            # What was before it began to follow is not its business.
            expect(alarm.names() == [], "nobody is taken for another", alarm.names())
    alarm.wait_names([ANNA.name])

    step("guests, a turn by hand, a wrong code, a client do not")
    opens(home, f"keypad {BEN.digits}", BEN.name)
    home.close_up()
    opens(home, f"app {DORAS_PHONE} unlock", DORAS_PHONE)
    home.close_up()
    opens(home, "manual unlock", "")
    home.close_up()
    before = home.newest()
    home.sim.type_wrong_code()
    home.wait_event("the wrong code is in the history", lambda e: e["refused"], before)
    before = home.newest()
    home.gateway.api.json("/unlock", nukiId=NUKI_ID)
    home.wait_event("the client's action is in the history", lambda e: "client" in e, before)
    home.close_up()

    step("the next resident does; the command has run for nobody in between")
    opens(home, f"fob {CLARAS_FOB}", "Clara's fob")
    alarm.wait_names([ANNA.name, "Clara's fob"])


if __name__ == "__main__":
    run_script(test)
