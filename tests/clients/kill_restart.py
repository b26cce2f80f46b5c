#!/usr/bin/env python3
"""The gateway is killed with SIGKILL in the middle of a keypad entry and started again: the entry is in its
database once, with its user."""
from kit.fakebus import FakeBus
from kit.gateway import Gateway
from kit.simlock import ANNA, BEN, NUKI_ID, SimLock
from kit.waiting import expect, wait_for
from kit.workspace import run_script, step

AUDIT = "select * from audit order by id"


def entries_of(gateway, name):
    """Rows of the view `audit` in which somebody is named."""
    return [row for row in gateway.rows(AUDIT) if name in row.values()]


def test(workspace, _args):
    sim = SimLock(workspace)
    gateway = Gateway(workspace, FakeBus(workspace, sim))
    step("pair and run")
    gateway.pair(sim)
    gateway.start()
    gateway.wait_first_state(NUKI_ID)
    expect(not entries_of(gateway, ANNA.name), f"no entry by {ANNA.name} yet", gateway.rows(AUDIT))

    step("SIGKILL while the lock is unlocking after a keypad entry")
    sim.command(f"keypad {ANNA.digits}")
    sim.wait_state("unlocking")
    gateway.process.kill()
    expect(sim.state() == "unlocking", "the motor still ran when the gateway was dead", sim.state())
    expect(not entries_of(gateway, ANNA.name), "the entry was not stored before the kill", gateway.rows(AUDIT))
    sim.wait_state("unlocked")

    step("start again")
    gateway.start()
    wait_for(f"the entry of {ANNA.name} is in the database", lambda: entries_of(gateway, ANNA.name), 90, alive=[gateway.process])

    step("a later entry by somebody else, and then count")
    sim.command("manual lock")
    gateway.api.wait_state(NUKI_ID, 1, alive=[gateway.process])
    sim.command(f"keypad {BEN.digits}")
    # the log is read in order: when this one is there, everything that the first one causes is there
    wait_for(f"the entry of {BEN.name} is in the database", lambda: entries_of(gateway, BEN.name), 60, alive=[gateway.process])
    rows = entries_of(gateway, ANNA.name)
    expect(len(rows) == 1, f"{ANNA.name}'s entry is there exactly once", rows)
    code = gateway.process.stop()
    expect(code == 0, "the gateway ends with exit code 0", code)


if __name__ == "__main__":
    run_script(test)
