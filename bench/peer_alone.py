#!/usr/bin/env python3
"""pyNukiBT in a process of its own: paired, listening for beacons, state and log read. Prints its memory as JSON."""
import asyncio
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "clients"))

import cpu
from kit.peer import central, find
from kit.simlock import NUKI_ID, PIN


async def live():
    from bleak import BleakScanner
    nuki = central(await find(f"Nuki_{NUKI_ID:08X}"))
    await nuki.connect()
    await nuki.pair()
    await nuki.update_state()
    scanner = BleakScanner(nuki.parse_advertisement_data)
    await scanner.start()
    await nuki.request_log_entries(int(PIN), count=20)
    await nuki.update_state()
    figures = cpu.memory(os.getpid())
    await nuki.disconnect()
    await scanner.stop()
    return figures


print(json.dumps(asyncio.run(live())))
