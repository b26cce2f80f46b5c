#!/usr/bin/env python3
"""What one central costs the machine, over a fake org.bluez whose links take no time: processor time per action and per
event at the keypad, memory, and how long an action takes beside the time that it spends at the lock.

One JSON object into --out. Run it with bench/run."""
import json
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent / "tests"
sys.path[:0] = [str(TESTS / "clients"), str(TESTS / "figures")]

import cpu
from centrals import Keyturner
from kit.simlock import ANNA
from kit.workspace import run_script
from measure import CENTRALS, open_house

LINKED = 3          # actions on the link of the first one
IDLE_SECONDS = 10


def spent(house):
    """Processor seconds of the central so far: all of the gateway, or the thread in which pyNukiBT and bleak run."""
    if house.central.name == Keyturner.name:
        return cpu.of_process(house.central.gateway.process.popen.pid)
    return cpu.of_thread(house.central.thread)


def own_share(entries, started, ended):
    """Seconds between request and answer in which neither lock nor BlueZ was asked: without Connect up to ServicesResolved,
    without the time from each write to its indication, and without what a call takes in the fake. Hops over D-Bus count as the
    central's."""
    elsewhere, since = [], None
    for entry in entries:
        if entry["what"] in ("connect", "write"):
            since = entry["at"]
        elif entry["what"] in ("resolved", "indication") and since is not None:
            elsewhere.append((since, entry["at"]))
            since = None
        elif entry["what"] == "call":
            elsewhere.append((entry["at"] - entry["seconds"], entry["at"]))
    own, until = 0.0, started
    for begin, end in sorted(elsewhere):
        if begin < ended:
            own += max(begin - until, 0.0)
            until = max(until, end)
    return own + max(ended - until, 0.0)


def act(house, action):
    """Own share of one action, in seconds."""
    mark, started = house.recording.end(), time.monotonic()
    house.central.act(action)
    ended = time.monotonic()
    share = own_share(house.recording.since(mark), started, ended)
    house.at_rest()
    return share


def actions(house, cycles):
    """A cycle is one action without a link and some on it, and everything that the central does because of them."""
    cold, linked = [], []
    before, began = spent(house), time.monotonic()
    for _ in range(cycles):
        cold.append(act(house, "unlock"))
        for number in range(LINKED):
            linked.append(act(house, "lock" if number % 2 == 0 else "unlock"))
        house.alone()
    count = len(cold) + len(linked)
    return {"cold": cold, "linked": linked, "cpu_per_action": (spent(house) - before) / count,
            "seconds_per_action": (time.monotonic() - began) / count}


def visits(house, number):
    """Somebody comes in by a code, and locks by the keypad's arrow."""
    before, began = spent(house), time.monotonic()
    for _ in range(number):
        wait_user = house.central.expect_visit()
        house.lock.command(f"keypad {ANNA.digits}")
        wait_user(ANNA)
        house.at_rest()
        house.central.forget_visits()
        house.alone()
        house.central.expect_visit()
        house.lock.command("arrow")
        house.at_rest()
        house.central.forget_visits()
        house.alone()
    return {"cpu_per_event": (spent(house) - before) / (2 * number), "seconds_per_event": (time.monotonic() - began) / (2 * number)}


def idle(house):
    """Processor seconds per second while nobody is there and the lock advertises."""
    before, began = spent(house), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return (spent(house) - before) / (time.monotonic() - began)


def memory_at_the_end(house):
    """Of the gateway; of pyNukiBT in a process of its own, without what measures."""
    if house.central.name == Keyturner.name:
        figures = cpu.memory(house.central.gateway.process.popen.pid)
        house.central.stop()
        return figures
    house.central.stop()
    house.bus.order("forget")       # else it is known already, and bleak hears nothing new
    house.lock.command("pairing on")
    done = subprocess.run([sys.executable, "-B", str(HERE / "peer_alone.py")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"peer_alone.py failed with {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def cost(workspace, args):
    house = open_house(workspace, args.central, None)
    house.central.start()
    house.alone()
    # For nothing: what is loaded at the first time.
    act(house, "unlock")
    act(house, "lock")
    house.alone()
    figures = {"central": args.central, "idle": idle(house), **actions(house, args.cycles), **visits(house, args.cycles)}
    figures["memory"] = memory_at_the_end(house)
    pathlib.Path(args.out).write_text(json.dumps(figures))


def add_arguments(ap):
    ap.add_argument("--central", choices=CENTRALS, required=True)
    ap.add_argument("--cycles", type=int, default=1)
    ap.add_argument("--out", required=True, metavar="FILE")


if __name__ == "__main__":
    run_script(cost, add_arguments)
