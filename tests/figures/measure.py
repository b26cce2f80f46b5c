#!/usr/bin/env python3
"""One central at one connection interval: every operation, so many rounds; a JSON line for each sample into --out."""
import dataclasses
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import operations
from centrals import Keyturner, PyNukiBT
from kit.fakebus import FakeBus
from kit.simlock import SimLock
from kit.workspace import run_script
from recording import Recording

CENTRALS = {central.name: central for central in (Keyturner, PyNukiBT)}


def open_house(workspace, name, interval_ms, *options):
    """The lock, the air and the central, not yet paired. `options` are more of those of with-fake-bluez."""
    lock = SimLock(workspace)
    if interval_ms:
        options = (*options, "--connection-interval", str(interval_ms))
    # BlueZ's two seconds until a link is down lie behind everything that is measured.
    bus = FakeBus(workspace, lock, "--disconnect-seconds", "0.1", *options)
    return operations.House(lock, bus, Recording(bus.record), CENTRALS[name](workspace, bus, lock), interval_ms)


def rounds(house, number, is_short=False):
    """Every operation so often, in an order in which each leaves the lock as the next one needs it."""
    central = house.central
    operations.check_motor(house)
    for _ in range(0 if is_short else number):
        yield operations.pairing(house)
    central.start()
    house.alone()
    for _ in range(number):
        yield operations.action_cold(house)
        yield operations.action_linked(house)
        yield operations.keypad(house)
        if is_short:
            house.at_rest()
            central.act("lock")
            continue
        yield operations.state_after_beacon(house)
        yield operations.action_first(house)
        if central.name == Keyturner.name:
            yield operations.log_page(house)
        else:
            yield operations.log_page_asked(house)
        house.at_rest()
        central.act("lock")
    house.alone()
    central.stop()


def measure(workspace, args):
    house = open_house(workspace, args.central, args.connection_interval)
    with open(args.out, "w", buffering=1) as out:
        for sample in rounds(house, args.rounds, args.short):
            out.write(json.dumps({"central": args.central, "interval_ms": args.connection_interval,
                                  **dataclasses.asdict(sample)}) + "\n")


def add_arguments(ap):
    ap.add_argument("--central", choices=CENTRALS, required=True)
    ap.add_argument("--connection-interval", type=float, metavar="MS")
    ap.add_argument("--rounds", type=int, default=1)
    ap.add_argument("--short", action="store_true", help="only actions on known services and the keypad: what bench/run shows")
    ap.add_argument("--out", required=True, metavar="FILE")


if __name__ == "__main__":
    run_script(measure, add_arguments)
