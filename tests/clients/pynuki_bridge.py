#!/usr/bin/env python3
"""pynuki, the client in Home Assistant, against the gateway and a simulated lock over the fake org.bluez:
login with encrypted and plain token, list, state, lock, unlock, callbacks that say who it was.

Needs the packages of requirements.txt; `tests/clients/run pynuki_bridge` provides them."""
import warnings

# pynuki 1.6.3 uses datetime.utcnow(), which newer Pythons announce the end of
warnings.filterwarnings("ignore", category=DeprecationWarning, module="pynuki")

from pynuki import NukiBridge
from pynuki.bridge import InvalidCredentialsException
from pynuki.constants import STATE_LOCK_LOCKED, STATE_LOCK_UNLOCKED

from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.receiver import USER_KEYS, Receiver, carries_user
from kit.simlock import ANNA, NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

CLIENT_TIMEOUT = 20     # what Home Assistant gives pynuki
TRIGGER_KEYPAD = 255
STATE_INVALID_CODE = 224
GATEWAY = "Keyturner"      # our own name in the lock's log
ACTIONS = 4             # unlock and lock, with either token


def login(gateway, secure):
    return NukiBridge("127.0.0.1", token=gateway.api.token, port=gateway.api.port, secure=secure, timeout=CLIENT_TIMEOUT)


def only_lock(bridge):
    locks = bridge.locks
    expect([lock.nuki_id for lock in locks] == [NUKI_ID], f"one lock, {NUKI_ID}", locks)
    return locks[0]


def reads_and_acts(gateway, sim, secure):
    step(f"token {'encrypted' if secure else 'plain'}: info, list, state, unlock, lock")
    bridge = login(gateway, secure)
    info = bridge.info()
    expect(info["bridgeType"] == 1 and bridge.is_hardware_bridge, "/info is that of a hardware bridge", info)
    expect(isinstance(info["ids"]["hardwareId"], int), "ids.hardwareId is a number", info)
    lock = only_lock(bridge)
    expect(lock.name and lock.firmware_version, "the lock has a name and a firmware version", lock)
    lock.update(aggressive=True)
    expect(lock.is_locked and lock.state_name == "locked", "lockState says locked", lock)

    # Home Assistant does not wait (noWait=1), scripts do
    answer = lock.unlock(block=not secure)
    expect(answer["success"] is True, "unlock succeeds", answer)
    wait_for("pynuki sees the lock unlocked", lambda: lock.update() or lock.is_unlocked)
    expect(sim.state() == "unlocked", "the lock itself is unlocked", sim.state())
    answer = lock.lock(block=not secure)
    expect(answer["success"] is True, "lock succeeds", answer)
    wait_for("pynuki sees the lock locked", lambda: lock.update() or lock.is_locked)
    expect(sim.state() == "locked", "the lock itself is locked", sim.state())


def refuses_a_wrong_token(gateway):
    step("a wrong token is refused")
    try:
        NukiBridge("127.0.0.1", token="not-the-token", port=gateway.api.port, timeout=CLIENT_TIMEOUT)
    except InvalidCredentialsException:
        return
    raise AssertionError("pynuki logged in with a wrong token")


def callbacks(gateway, sim, receiver):
    bridge = login(gateway, secure=True)
    lock = only_lock(bridge)
    # What the actions above led to is stored, so none of it is told to whoever registers now.
    wait_for("each action asked for is in /v1/history",
             lambda: len([e for e in gateway.api.json("/v1/history")["events"] if e["name"] == GATEWAY]) == ACTIONS)
    step("callback/add, list")
    url = receiver.url()
    expect(bridge.callback_add(url)["success"] is True, "the callback is registered")
    expect([c["url"] for c in bridge.callback_list()["callbacks"]] == [url], "it is listed, byte for byte", bridge.callback_list())
    expect(bridge.callback_add(url) == {"success": False, "message": "callback already added"}, "only once")

    step("a keypad entry: one POST that says who")
    sim.command(f"keypad {ANNA.digits}")
    entry = receiver.wait_post("state unlocked", lambda b: b["state"] == STATE_LOCK_UNLOCKED)
    expected = {"nukiId": NUKI_ID, "state": STATE_LOCK_UNLOCKED, "stateName": "unlocked", "trigger": TRIGGER_KEYPAD,
                "userName": ANNA.name, "codeId": ANNA.code_id, "codeName": ANNA.name}
    found = {key: entry.get(key) for key in expected}
    expect(found == expected, f"the body carries {expected}", entry)
    expect(isinstance(entry.get("authId"), int), "the body carries authId, a number", entry)
    expect(ANNA.digits not in str(receiver.posts), "the code's digits are nowhere", receiver.posts)
    lock.update_from_callback(entry)
    expect(lock.is_unlocked, "pynuki takes the callback", lock)

    step("a turn by hand: a POST without any user")
    before = len(receiver.posts)
    sim.command("manual lock")
    by_hand = receiver.wait_post("state locked", lambda b: b["state"] == STATE_LOCK_LOCKED, before)
    expect(not carries_user(by_hand), f"none of {USER_KEYS}", by_hand)
    # the turn came after the keypad entry: whatever the entry caused has been sent by now
    with_user = [b for b in receiver.posts if carries_user(b)]
    expect(with_user == [entry], "exactly one POST carries the user", receiver.posts)

    step("a wrong code: no POST, but a line in the history")
    before = len(receiver.posts)
    sim.type_wrong_code()
    refused = wait_for("the refused entry is in /v1/history",
                       lambda: [e for e in gateway.api.json("/v1/history")["events"] if e.get("state") == STATE_INVALID_CODE])
    expect(len(refused) == 1 and refused[0]["trigger"] == TRIGGER_KEYPAD, "one refused keypad entry", refused)
    expect(refused[0]["nukiId"] == NUKI_ID and not refused[0]["name"] and not refused[0].get("codeName"), "nobody is named", refused)
    sim.command("manual unlock")
    receiver.wait_post("state unlocked", lambda b: b["state"] == STATE_LOCK_UNLOCKED, before)
    since = receiver.posts[before:]
    expect(len(since) == 1 and not carries_user(since[0]), "only the later turn by hand was POSTed", since)

    step("callback/remove")
    slot = bridge.callback_list()["callbacks"][0]["id"]
    expect(bridge.callback_remove(slot)["success"] is True, "the callback is removed")
    expect(bridge.callback_list() == {"callbacks": []}, "the list is empty", bridge.callback_list())


def test(workspace, _args):
    sim = SimLock(workspace)
    bus = FakeBus(workspace, sim)
    gateway = Gateway(workspace, bus)
    step("pair")
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    gateway.wait_single_use_tokens()
    for secure in (True, False):
        reads_and_acts(gateway, sim, secure)
    refuses_a_wrong_token(gateway)
    callbacks(gateway, sim, Receiver(workspace))
    step("the gateway ends on TERM")
    code = gateway.process.stop()
    expect(code == 0, "exit code 0", code)


if __name__ == "__main__":
    run_script(test)
