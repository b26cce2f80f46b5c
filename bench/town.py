#!/usr/bin/env python3
"""What the gateway's process needs with so many locks: every lock moves so often, clients ask, then memory is read.

The locks are turned by hand as fast as they are read, so an hour's worth of events takes less than an hour; the memory is
read when everything is told. One JSON object into --out. Run it with bench/run."""
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "clients"))

import cpu
from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.receiver import Receiver
from kit.simlock import NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script

QUIET_SECONDS = 5       # links and readers have gone by then
ASKED = ("/list", "/info", "/callback/list")


def stored(gateway):
    return gateway.rows("select count(*) as n from events where kind = 'lock_action'")[0]["n"]


def town(workspace, args):
    locks = [SimLock(workspace, name=f"sim{number}", nuki_id=NUKI_ID + number) for number in range(args.locks)]
    others = [option for lock in locks[1:] for option in ("--radio", str(lock.radio))]
    bus = FakeBus(workspace, locks[0], "--disconnect-seconds", "0.1", *others)
    gateway = Gateway(workspace, bus)
    for lock in locks:
        gateway.pair(lock)
        lock.command("pairing off")
    gateway.start()
    for lock in locks:
        gateway.wait_first_state(lock.nuki_id)
    receiver = Receiver(workspace)
    gateway.api.json("/callback/add", url=receiver.url())
    fresh = cpu.memory(gateway.process.popen.pid)
    # By hand, which a lock logs at once.
    for number in range(args.events):
        for lock in locks:
            lock.command(f"manual {'unlock' if lock.state() == 'locked' else 'lock'}")
        for path in ASKED:
            gateway.api.json(path)
        wanted = (number + 1) * len(locks)
        wait_for(f"{wanted} events are stored", lambda: stored(gateway) >= wanted, 120, interval=0.1, alive=[gateway.process])
    time.sleep(QUIET_SECONDS)
    expect(stored(gateway) == args.events * len(locks), "every turn once in the event log", stored(gateway))
    figures = {"locks": args.locks, "events": args.events * len(locks), "fresh": fresh, "after": cpu.memory(gateway.process.popen.pid)}
    gateway.process.stop()
    pathlib.Path(args.out).write_text(json.dumps(figures))


def add_arguments(ap):
    ap.add_argument("--locks", type=int, default=1)
    ap.add_argument("--events", type=int, default=5, help="of each lock")
    ap.add_argument("--out", required=True, metavar="FILE")


if __name__ == "__main__":
    run_script(town, add_arguments)
