#!/usr/bin/env python3
"""examples/domoticz under lua5.4, with domoticz/domoticz.lua in the place of Domoticz and real requests to the gateway.

Needs lua5.4 with cjson, and curl; `tests/examples/run domoticz` looks for them."""
import json
import subprocess

import house
from house import CLARAS_FOB, DORAS_PHONE, EXAMPLES, GATEWAYS_OWN, House, opens
from kit.simlock import ANNA, BEN, NUKI_ID
from kit.waiting import expect
from kit.workspace import run_script, step

STAND_IN = house.ROOT / "tests" / "examples" / "domoticz" / "domoticz.lua"
TRIES = 3


class Domoticz:
    def __init__(self, workspace, home, token):
        script = (EXAMPLES / "domoticz" / "keyturner_disarm.lua").read_text()
        for old, new in (("http://127.0.0.1:8080", home.gateway.api.base), ("THE-TOKEN", token), ("169552957", str(NUKI_ID)),
                         ("[2] = true", f"[{CLARAS_FOB}] = true, [{GATEWAYS_OWN}] = true")):
            expect(old in script, f"the script has {old} to change")
            script = script.replace(old, new)
        path = workspace.dir / "keyturner_disarm.lua"
        path.write_text(script)
        self.process = subprocess.Popen(["lua5.4", STAND_IN, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        workspace.at_end(self._end)

    def _end(self):
        self.process.stdin.close()
        self.process.wait(10)

    def do(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        expect(answer, f"the script survives `{command}`")
        return json.loads(answer)

    def lock_changes(self):
        """The lock's device changes, and every request that follows is answered."""
        now, tries = self.do("device"), 0
        while now["waiting"]:
            expect(now["after"] == (2 if tries else 0), "it asks at once, then again after two seconds", now)
            now, tries = self.do("respond"), tries + 1
            expect(tries <= TRIES, f"it asks {TRIES} times at most", tries)
        return now, tries

    def stays_armed(self, why):
        now, tries = self.lock_changes()
        expect(now["security"] == "Armed Away", f"the panel stays armed: {why}", now)
        return now, tries

    def disarms(self, name):
        now, tries = self.lock_changes()
        expect(now["security"] == "Disarmed" and now["said"] == [f"Disarmed for {name}"], f"the panel is disarmed for {name}", now)
        expect(tries == 1, "it asks once", tries)


def test(workspace, _args):
    home = House(workspace)
    domoticz = Domoticz(workspace, home, home.token)

    step("residents disarm")
    domoticz.do("arm")
    opens(home, f"keypad {ANNA.digits}", ANNA.name)
    domoticz.disarms(ANNA.name)
    home.close_up()
    domoticz.do("arm")
    opens(home, f"fob {CLARAS_FOB}", "Clara's fob")
    domoticz.disarms("Clara's fob")

    step("the same event does not count twice, however fresh it is")
    domoticz.do("arm")
    now, tries = domoticz.stays_armed("nothing new")
    expect(tries == TRIES and now["said"] == ["The lock has not said who it was"], "it has asked again before it gives up", tries, now)

    step("guests, a turn by hand, a client, a wrong code do not")
    home.close_up()
    opens(home, f"keypad {BEN.digits}", BEN.name)
    domoticz.stays_armed("a guest's code")
    home.close_up()
    opens(home, f"app {DORAS_PHONE} unlock", DORAS_PHONE)
    domoticz.stays_armed("a guest's phone")
    home.close_up()
    opens(home, "manual unlock", "")
    domoticz.stays_armed("a turn by hand")
    home.close_up()
    before = home.newest()
    home.gateway.api.json("/unlock", nukiId=NUKI_ID)
    home.wait_event("the client's action is in the history", lambda e: "client" in e, before)
    domoticz.stays_armed("a client")
    home.close_up()
    domoticz.stays_armed("somebody locks by hand")
    before = home.newest()
    home.sim.type_wrong_code()
    home.wait_event("the wrong code is in the history", lambda e: e["refused"], before)
    domoticz.stays_armed("a wrong code")

    step("who it was may be known a moment after the lock's state")
    now = domoticz.do("device")
    now = domoticz.do("respond")
    expect(now["waiting"] == 1 and now["after"] == 2, "it will ask again", now)
    opens(home, f"keypad {ANNA.digits}", ANNA.name)
    now = domoticz.do("respond")
    expect(now["security"] == "Disarmed" and now["said"] == [f"Disarmed for {ANNA.name}"], "then the panel is disarmed", now)
    home.close_up()

    step("what is old does not count")
    domoticz.do("arm")
    domoticz.do("clock 120")
    opens(home, f"keypad {ANNA.digits}", ANNA.name)
    domoticz.stays_armed("two minutes old")
    home.close_up()

    step("a wrong token, a gateway that is down: an error is said, and the panel stays armed")
    stranger = Domoticz(workspace, home, "not-the-token")
    stranger.do("arm")
    now, _ = stranger.stays_armed("a wrong token")
    expect(now["said"] == ["Keyturner did not say who it was: HTTP 401"], "the reason is said", now)
    home.gateway.process.stop()
    now, _ = domoticz.stays_armed("nobody answers")
    expect(now["said"] == ["Keyturner did not say who it was: HTTP 0"], "the reason is said", now)


if __name__ == "__main__":
    run_script(test)
