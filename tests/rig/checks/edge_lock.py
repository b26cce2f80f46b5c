#!/usr/bin/env python3
"""edge_lock.py SOCKET HEARD [EDGES]: how soon does a scan notice that a beacon's bit changed?

The lock's end of the sim socket. Flips the bit at random moments; edge_scan.py in the guest adds a line to the file
HEARD for each change that it is told of. Only the host's clock counts. Prints one line of figures.
"""
import asyncio
import pathlib
import random
import statistics
import sys
import time

from echo_lock import EchoLock

INTERVAL_MS = 300       # a lock with a bridge
PATIENCE = 15.0         # an edge that was not reported by then is missed


class EdgeLock(EchoLock):
    def send(self, kind, **fields):
        super().send(kind, **{**fields, **({"interval_ms": INTERVAL_MS} if kind == "advertise" else {})})

    @property
    def bit(self):
        return (str(self.tx_power & 1),)

    def flip(self):
        self.tx_power ^= 1
        self.advertise()


async def line(heard, text, seconds):
    """The moment at which the guest's last line is one of these, or None."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        lines = heard.read_text().split() if heard.exists() else []
        if lines and lines[-1] in text:
            return time.monotonic()
        await asyncio.sleep(0.004)
    return None


async def measure(lock, heard, edges):
    began = await line(heard, ("scanning", "0", "1"), 120)
    if began is None:
        sys.exit("edge_lock.py: the guest does not scan")
    first = await line(heard, lock.bit, 30)
    took, missed = [], 0
    for _ in range(edges):
        await asyncio.sleep(random.uniform(2.0, 8.0))
        at = time.monotonic()
        lock.flip()
        told = await line(heard, lock.bit, PATIENCE)
        if told is None:
            missed += 1
        else:
            took.append(told - at)
    first = "never" if first is None else f"{first - began:.2f} s"
    figures = f"median {statistics.median(took):.2f} s, longest {max(took):.2f} s" if took else "none"
    print(f"first report {first}; {len(took)} of {edges} edges, {figures}; {missed} missed", flush=True)


async def main(path, heard, edges="30"):
    done = asyncio.Event()

    async def serve(reader, writer):
        lock = EdgeLock(writer)
        lock.hello()
        await measure(lock, pathlib.Path(heard), int(edges))
        done.set()
    async with await asyncio.start_unix_server(serve, path):
        await done.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
