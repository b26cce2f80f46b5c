#!/usr/bin/env python3
"""The rig's self-test: bleak as a central of the echo lock. Exit code 0 when all is well."""
import asyncio
import contextlib
import statistics
import sys
import time

from bleak import BleakClient, BleakError, BleakScanner

USDIO = "a92ee202-5501-11e4-916c-0800200c9a66"
PAIRING = "a92ee100-5501-11e4-916c-0800200c9a66"
NAME = "Nuki_1A2B3C4D"
SECONDS = 30    # for each step; a VM without hardware help is slow


async def scan_until(what, condition):
    """Scans until condition(advertisement) holds; returns the device."""
    found = asyncio.get_running_loop().create_future()

    def heard(device, advertisement):
        if device.name == NAME and condition(advertisement) and not found.done():
            found.set_result(device)
    started = time.monotonic()
    async with BleakScanner(heard):
        try:
            device = await asyncio.wait_for(found, SECONDS)
        except TimeoutError:
            sys.exit(f"central.py: {what}: not seen within {SECONDS} s")
    print(f"{what}: seen after {time.monotonic() - started:.2f} s")
    return device


def state_bit(advertisement):
    data = advertisement.manufacturer_data.get(0x4C)
    return None if data is None else data[-1] & 1


class Session:
    def __init__(self, client):
        self.client, self.pieces = client, asyncio.Queue()

    async def subscribe(self):
        await self.client.start_notify(USDIO, lambda _c, data: self.pieces.put_nowait(bytes(data)))

    async def echo(self, value):
        await self.client.write_gatt_char(USDIO, value, response=True)
        got = b""
        while len(got) < len(value):
            got += await asyncio.wait_for(self.pieces.get(), SECONDS)
        if got != value:
            sys.exit(f"central.py: wrote {value.hex()}, got {got.hex()}")

    async def command(self, text):
        await self.client.write_gatt_char(USDIO, b"!cmd " + text, response=True)


async def main():
    device = await scan_until("beacon", lambda a: state_bit(a) == 0)
    async with BleakClient(device, timeout=SECONDS) as client:
        session = Session(client)
        await session.subscribe()
        times = []
        for i in range(50):
            started = time.monotonic()
            await session.echo(bytes([i]) * 20)
            times.append(time.monotonic() - started)
        print(f"write and indication: median {statistics.median(times) * 1000:.2f} ms")
        await session.echo(bytes(range(200)))
        # a lock drops commands: the next thing that comes back is the request's echo
        await client.write_gatt_char(USDIO, b"command", response=False)
        await session.echo(b"request")
        await session.command(b"flip")
    await scan_until("beacon with the state bit", lambda a: state_bit(a) == 1)
    gone = asyncio.Event()
    async with BleakClient(device, timeout=SECONDS, disconnected_callback=lambda _c: gone.set()) as client:
        session = Session(client)
        await session.subscribe()
        await session.command(b"pairing")
        with contextlib.suppress(BleakError):   # the link may end before the answer to this write
            await session.command(b"drop")
        await asyncio.wait_for(gone.wait(), SECONDS)
        print("the lock ended the link: seen")
    await scan_until("pairing mode", lambda a: PAIRING in a.service_data)
    print("OK")

if __name__ == "__main__":
    asyncio.run(main())
