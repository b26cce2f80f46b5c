#!/usr/bin/env python3
"""examples/homey under node, with homey/homey.mjs in the place of Homey and real requests to the gateway.

Needs node 20 or newer; `tests/examples/run homey` looks for it."""
import json
import subprocess

import house
from house import CLARAS_FOB, DORAS_PHONE, EXAMPLES, GATEWAYS_OWN, House, opens
from kit.simlock import ANNA, BEN, NUKI_ID
from kit.waiting import expect
from kit.workspace import run_script, step

STAND_IN = house.ROOT / "tests" / "examples" / "homey" / "homey.mjs"
RESIDENTS = f"code:{ANNA.code_id} auth:{CLARAS_FOB} auth:{GATEWAYS_OWN}"
WHO = "Keyturner who"


class Homey:
    def __init__(self, workspace, home, token):
        script = (EXAMPLES / "homey" / "keyturner_resident.js").read_text()
        for old, new in (("http://192.168.1.20:8080", home.gateway.api.base), ("THE-TOKEN", token), ("169552957", str(NUKI_ID))):
            expect(old in script, f"the script has {old} to change")
            script = script.replace(old, new)
        path = workspace.dir / "keyturner_resident.js"
        path.write_text(script)
        self.process = subprocess.Popen(["node", STAND_IN, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        workspace.at_end(self._end)

    def _end(self):
        self.process.stdin.close()
        self.process.wait(10)

    def do(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        expect(answer, f"the stand-in survives {command}")
        return json.loads(answer)

    def run(self, *arguments):
        """The flow's condition, from start to end; and how often it waited."""
        answer, waits = self.do(run=list(arguments)), 0
        while "waits" in answer:
            expect(answer["waits"] == 2000, "it waits two seconds", answer)
            answer, waits = self.do(), waits + 1
        return answer, waits

    def counts(self, name):
        answer, waits = self.run(RESIDENTS)
        expect(answer.get("returned") is True and answer["tags"] == {WHO: name}, f"{name} counts", answer)
        expect(waits == 0, "it asks once", waits)

    def does_not_count(self, why, name=None):
        answer, _ = self.run(RESIDENTS)
        expect(answer.get("returned") is False, f"it does not count: {why}", answer)
        expect(answer["tags"] == ({WHO: name} if name else {}), "the tag says who it was", answer)


def test(workspace, _args):
    home = House(workspace)
    homey = Homey(workspace, home, home.token)

    step("residents count")
    opens(home, f"keypad {ANNA.digits}", ANNA.name)
    homey.counts(ANNA.name)
    home.close_up()
    opens(home, f"fob {CLARAS_FOB}", "Clara's fob")
    homey.counts("Clara's fob")

    step("the same event does not count twice, however fresh it is")
    answer, waits = homey.run(RESIDENTS)
    expect(answer.get("returned") is False and waits == 2, "it asks three times", answer, waits)

    step("guests, a turn by hand, a client, a wrong code do not")
    home.close_up()
    opens(home, f"keypad {BEN.digits}", BEN.name)
    homey.does_not_count("a guest's code", BEN.name)
    home.close_up()
    opens(home, f"app {DORAS_PHONE} unlock", DORAS_PHONE)
    homey.does_not_count("a guest's phone", DORAS_PHONE)
    home.close_up()
    opens(home, "manual unlock", "")
    homey.does_not_count("a turn by hand", "somebody")
    home.close_up()
    before = home.newest()
    home.gateway.api.json("/unlock", nukiId=NUKI_ID)
    home.wait_event("the client's action is in the history", lambda e: "client" in e, before)
    homey.does_not_count("a client", "Keyturner")
    home.close_up()
    homey.does_not_count("somebody locks by hand", "somebody")
    before = home.newest()
    home.sim.type_wrong_code()
    home.wait_event("the wrong code is in the history", lambda e: e["refused"], before)
    homey.does_not_count("a wrong code")

    step("without an argument, or with a number of the other kind, nobody does")
    for arguments in ([], [""], [f"auth:{ANNA.code_id} code:{CLARAS_FOB}"], [ANNA.name]):
        opens(home, f"keypad {ANNA.digits}", ANNA.name)
        answer, _ = homey.run(*arguments)
        expect(answer.get("returned") is False and answer["tags"] == {WHO: ANNA.name}, f"{arguments} lets nobody in", answer)
        home.close_up()
        homey.does_not_count("somebody locks by hand", "somebody")

    step("who it was may be known a moment after the lock's state")
    answer = homey.do(run=[RESIDENTS])
    expect(answer == {"waits": 2000}, "it waits", answer)
    opens(home, f"keypad {ANNA.digits}", ANNA.name)
    answer = homey.do()
    expect(answer.get("returned") is True, "then Anna counts", answer)
    home.close_up()

    step("what is old does not count")
    homey.do(clock=120)
    opens(home, f"keypad {ANNA.digits}", ANNA.name)
    homey.does_not_count("two minutes old", ANNA.name)

    step("a wrong token, a gateway that is down: the script ends with an error, which stops a flow")
    answer, _ = Homey(workspace, home, "not-the-token").run(RESIDENTS)
    expect(answer.get("threw") == "Keyturner did not say who it was: HTTP 401", "the reason is said", answer)
    home.gateway.process.stop()
    answer, _ = homey.run(RESIDENTS)
    expect("threw" in answer and "returned" not in answer, "an error is said", answer)


if __name__ == "__main__":
    run_script(test)
