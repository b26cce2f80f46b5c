#!/usr/bin/env python3
"""edge_scan.py active|passive HEARD: scans in the guest; adds a line to HEARD for each change of the beacon's bit."""
import asyncio
import sys

from bleak import BleakScanner
from bleak.args.bluez import OrPattern
from bleak.assigned_numbers import AdvertisementDataType

APPLE = 0x004C


async def main(mode, path):
    last = None
    with open(path, "a", buffering=1, encoding="ascii") as heard:
        def on_advertisement(_device, data):
            nonlocal last
            value = data.manufacturer_data.get(APPLE)
            if value is not None and value[-1] & 1 != last:
                last = value[-1] & 1
                heard.write(f"{last}\n")
        patterns = [OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, b"\x4c\x00\x02\x15")]
        options = {"or_patterns": patterns} if mode == "passive" else {"filters": {"DuplicateData": True}}
        async with BleakScanner(on_advertisement, scanning_mode=mode, bluez=options):
            heard.write("scanning\n")
            await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
