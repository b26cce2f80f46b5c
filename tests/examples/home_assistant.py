#!/usr/bin/env python3
"""examples/home-assistant in a real Home Assistant core: residents disarm the alarm, and nobody and nothing else does.

Needs the packages of home_assistant/requirements.txt; `tests/examples/run home_assistant` provides them."""
import json
import os
import shutil
import time
import urllib.request

import house
from house import CLARAS_FOB, DORAS_PHONE, EXAMPLES, House
from kit.gateway import free_port
from kit.receiver import Receiver
from kit.simlock import ANNA, BEN, NUKI_ID
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

HERE = house.ROOT / "tests" / "examples" / "home_assistant"
TOLD, ASKED, REFUSED, ARM = "told-4f1d", "asked-9a2c", "refused-77e0", "arm"

CONFIGURATION = """
homeassistant:
  packages:
    told: !include keyturner_disarm.yaml
    asked: !include keyturner_disarm_asked.yaml
    refused: !include keyturner_refused.yaml
    test: !include test.yaml
http:
  server_host: 127.0.0.1
  server_port: {port}
"""

# The panel of the house, a way to arm it, and everything that is shown or changes told to the test.
TEST = """
persistent_notification:
webhook:
alarm_control_panel:
  - platform: manual
    name: Home
    code: "2468"
    code_arm_required: false
    arming_time: 0
    delay_time: 0
rest_command:
  tell:
    url: "{receiver}"
    method: post
    content_type: application/json
    payload: "{{{{ what | tojson }}}}"
automation:
  - alias: arm
    trigger: [{{platform: webhook, webhook_id: arm, allowed_methods: [POST], local_only: true}}]
    action: [{{service: alarm_control_panel.alarm_arm_away, target: {{entity_id: alarm_control_panel.home}}}}]
  - alias: tell of the panel
    mode: queued
    trigger: [{{platform: state, entity_id: alarm_control_panel.home, to: }}]
    action:
      - service: rest_command.tell
        data: {{what: {{panel: "{{{{ trigger.to_state.state }}}}"}}}}
  - alias: tell of notifications
    mode: queued
    trigger: [{{platform: persistent_notification, update_type: [added]}}]
    action:
      - service: rest_command.tell
        data: {{what: {{title: "{{{{ trigger.notification.title }}}}", message: "{{{{ trigger.notification.message }}}}"}}}}
"""

SECRETS = """
keyturner_webhook: {told}
keyturner_webhook_asked: {asked}
keyturner_webhook_refused: {refused}
keyturner_alarm_code: "2468"
keyturner_history_url: "{base}/v1/history?nukiId={lock}&limit=10"
keyturner_authorization: "Bearer {token}"
"""


class HomeAssistant:
    def __init__(self, workspace, home, receiver):
        self.port, self.receiver = free_port(), receiver
        config = workspace.dir / "config"
        shutil.copytree(EXAMPLES / "home-assistant", config)
        (config / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port))
        (config / "test.yaml").write_text(TEST.format(receiver=receiver.url()))
        (config / "secrets.yaml").write_text(SECRETS.format(told=TOLD, asked=ASKED, refused=REFUSED, base=home.gateway.api.base,
                                                            lock=NUKI_ID, token=home.token))
        python = os.environ.get("HOME_ASSISTANT_PYTHON")
        expect(python, "HOME_ASSISTANT_PYTHON names a Python with Home Assistant; use `tests/examples/run home_assistant`")
        self.process = workspace.start("home-assistant", [python, HERE / "core.py", config])
        self.log = config / "home-assistant.log"
        wait_for("Home Assistant listens", self._answers, 90, alive=[self.process])

    def _answers(self):
        try:
            # Any webhook is answered with 200, known or not.
            return self.post("nothing", {}) == 200
        except OSError:
            return False

    def url(self, webhook):
        return f"http://127.0.0.1:{self.port}/api/webhook/{webhook}"

    def post(self, webhook, body):
        request = urllib.request.Request(self.url(webhook), json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status

    def panel(self):
        """Every state of the panel that was told, oldest first."""
        return [told["panel"] for told in self.receiver.posts if "panel" in told]

    def messages(self, title="Alarm disarmed"):
        return [told["message"] for told in self.receiver.posts if told.get("title") == title]

    def arm(self):
        before = len(self.panel())
        wait_for("the alarm is armed", lambda: self.post(ARM, {}) == 200 and "armed_away" in self.panel()[before:], 60, interval=0.5)


def opens(home, told, person):
    """A code is typed at the locked door; the callback about it, which every receiver gets."""
    before = len(told.posts)
    home.sim.command(f"keypad {person.digits}")
    return told.wait_post(f"{person.name} and state unlocked", lambda b: b["state"] == 3 and b.get("userName") == person.name, before)


def nobody_else_disarms(home, assistant, told):
    """Everything that happens at a door and is no resident's opening; the alarm has to stay on."""
    step("a wrong code: Home Assistant shows it, and stays armed")
    before = len(assistant.messages("Refused at the door"))
    home.sim.type_wrong_code()
    wait_for("the refused code is shown", lambda: assistant.messages("Refused at the door")[before:] == ["Somebody, code: invalid code"])

    step("a guest's code, a guest's phone, a turn by hand, a client")
    ben = opens(home, told, BEN)
    expect(ben["codeId"] == BEN.code_id, "the callback has the guest's number", ben)
    home.close_up()
    since = len(told.posts)
    home.sim.command(f"app {DORAS_PHONE} unlock")
    told.wait_post("Dora and state unlocked", lambda b: b["state"] == 3 and b.get("userName") == DORAS_PHONE, since)
    home.close_up()
    since = len(told.posts)
    home.sim.command("manual unlock")
    told.wait_post("nobody and state unlocked", lambda b: b["state"] == 3 and "userName" not in b, since)
    home.close_up()
    since = len(told.posts)
    home.gateway.api.json("/unlock", nukiId=NUKI_ID)
    told.wait_post("a client and state unlocked", lambda b: b["state"] == 3 and "client" in b, since)
    home.close_up()
    return ben


def resident_disarms(home, assistant, told, enter, message):
    armed = len(assistant.panel())
    expect(assistant.panel()[-1] == "armed_away", "until now the alarm was on", assistant.panel())
    shown = len(assistant.messages())
    enter()
    wait_for("the alarm is off", lambda: "disarmed" in assistant.panel()[armed:])
    # Runs of an automation are queued: those of everything before are over, and disarmed nothing.
    wait_for("it is said who it was", lambda: len(assistant.messages()) > shown)
    expect(assistant.messages()[shown:] == [message], "it was turned off once, by this resident", assistant.messages())
    expect(assistant.panel()[armed:] == ["disarmed"], "the panel changed once", assistant.panel())


def anna(home, told):
    return lambda: opens(home, told, ANNA)


def clara(home):
    return lambda: home.sim.command(f"fob {CLARAS_FOB}")


def forged(nuki_id=NUKI_ID, **other):
    """What somebody could send who has got hold of the address."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return {"nukiId": nuki_id, "state": 3, "action": 1, "completionStatus": 0, "authId": 1, "codeId": ANNA.code_id,
            "userName": "Forger", "eventId": 1, "eventTimestamp": now, **other}


def slot(home, assistant, webhook):
    """The gateway calls this webhook from now on, and none of the other ones."""
    for callback in home.gateway.api.json("/callback/list")["callbacks"]:
        if callback["url"].startswith(assistant.url("")):
            home.gateway.api.json("/callback/remove", id=callback["id"])
    answer = home.gateway.api.json("/callback/add", url=assistant.url(webhook))
    expect(answer == {"success": True}, "the callback is registered", answer)


def test(workspace, _args):
    home = House(workspace)
    told, shown = Receiver(workspace), Receiver(workspace, "/shown")
    home.gateway.api.json("/callback/add", url=told.url())
    step("start Home Assistant")
    assistant = HomeAssistant(workspace, home, shown)
    url_file = workspace.dir / "refused-url"
    url_file.write_text(assistant.url(REFUSED) + "\n")
    home.gateway.run("webhook", "add", "--name", "refused", "--url-file", str(url_file), "--refused-only",
                     "--secret-file", str(workspace.dir / "refused-secret"))

    step("keyturner_disarm.yaml")
    slot(home, assistant, TOLD)
    assistant.arm()
    nobody_else_disarms(home, assistant, told)
    step("what is old, of another lock, refused, lock 'n' go, of a guest, of a client, or nothing like a callback")
    for body in (forged(eventTimestamp="2026-11-26T00:00:00+00:00"), forged(nuki_id=NUKI_ID + 1), forged(completionStatus=224),
                 forged(action=2), forged(state=1), forged(state=6, action=4), forged(codeId=BEN.code_id), forged(eventTimestamp=None), forged(client="cron"),
                 {}, [], "Anna", None):
        expect(assistant.post(TOLD, body) == 200, "Home Assistant takes any body")
    resident_disarms(home, assistant, told, anna(home, told), "Anna opened the door.")
    home.close_up()
    assistant.arm()
    resident_disarms(home, assistant, told, clara(home), "Clara's fob opened the door.")
    home.close_up()

    step("keyturner_disarm_asked.yaml")
    slot(home, assistant, ASKED)
    assistant.arm()
    guest = nobody_else_disarms(home, assistant, told)
    step("forged callbacks: of an event that never was, of a guest's, also just after a resident's")
    forgeries = (forged(eventId=4711), forged(eventId=guest["eventId"]), forged(eventId="x"), forged(eventId=None), {}, [], None)
    for body in forgeries:
        expect(assistant.post(ASKED, body) == 200, "Home Assistant takes any body")
    resident_disarms(home, assistant, told, anna(home, told), "Anna opened the door.")
    assistant.arm()
    for body in forgeries:
        expect(assistant.post(ASKED, body) == 200, "Home Assistant takes any body")
    home.close_up()
    resident_disarms(home, assistant, told, clara(home), "Clara's fob opened the door.")


if __name__ == "__main__":
    run_script(test)
