#!/usr/bin/env python3
"""What tests/figures counts and times, held against what is known: one action on a link whose numbers can be worked out
by hand. The smallest MTU, because there long writes and pieces count as well.

`tests/clients/run radio_counts` provides what it needs."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "figures"))

import operations
from kit.waiting import expect
from kit.workspace import run_script, step
from measure import open_house
from recording import Counts

INTERVAL_MS = 15
MTU = 23
# docs/protocol.md: a frame is 24 bytes of nonce, 4 of authorization, 2 of length, then 16 of seal, 4 of authorization,
# 2 of command, the payload and 2 of checksum.
FRAME = 24 + 4 + 2 + 16 + 4 + 2 + 2
REQUEST, ACTION = FRAME + 2, FRAME + 1 + 4 + 1 + 20 + 32     # with the suffix that names the intent
CHALLENGE, STATUS = FRAME + 32, FRAME + 1


def pieces(size, room):
    return -(-size // room)


def compare(sample, connections, cccd_writes):
    indications = pieces(CHALLENGE, MTU - 3) + pieces(STATUS, MTU - 3)
    expected = Counts(connections=connections, cccd_writes=cccd_writes, writes=2, indications=indications,
                      bytes_out=REQUEST + ACTION, bytes_in=CHALLENGE + STATUS)
    expect(sample.counts == expected, f"{sample.operation}: {expected}", sample.counts)


def round_trips(house):
    """Of the two writes that were last."""
    return [entry["round_trips"] for entry in house.recording.since(0) if entry["what"] == "write"][-2:]


def takes_at_least(sample, round_trips):
    """Whatever the machine does, events are no nearer to one another."""
    least = (2 * round_trips - 1) * INTERVAL_MS / 1000
    expect(sample.seconds >= least, f"{sample.operation} takes {least:.3f} s or more", sample.seconds)


def test(workspace, _args):
    house = open_house(workspace, "keyturner", INTERVAL_MS, "--mtu", str(MTU))
    step("pair and run")
    house.central.start()
    step("an action, then another one on its link")
    cold = operations.action_cold(house)
    compare(cold, connections=1, cccd_writes=2)
    linked = operations.action_linked(house)
    compare(linked, connections=0, cccd_writes=0)
    # Prepared in pieces of MTU - 5, then executed.
    long_writes = [pieces(size, MTU - 5) + 1 for size in (REQUEST, ACTION)]
    expect(round_trips(house) == long_writes, f"{long_writes} round trips", round_trips(house))
    # The last piece of a message comes with the response to its request, the others before need one each.
    answers = pieces(CHALLENGE, MTU - 3) - 1 + pieces(STATUS, MTU - 3) - 1
    takes_at_least(linked, sum(long_writes) + answers)
    # Features, MTU and two client configurations.
    takes_at_least(cold, 4 + sum(long_writes) + answers)
    house.central.stop()


if __name__ == "__main__":
    run_script(test)
