#!/usr/bin/env python3
"""fakebluez.py --bus ADDRESS --bus-config FILE --radio SOCKET [--radio SOCKET ...] [--control SOCKET]

An org.bluez on a private bus that has one adapter and hears the locks behind the
sim sockets. Prints "ready" when the name is owned and every lock has
said hello. When a lock's process goes away the lock is out of range, until
the process is back. The control socket makes things go wrong (control.py).
"""
import argparse
import asyncio
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "sim"))

from adapter import Adapter
from bluetoothd import Bluetoothd, Bus
from control import serve_control
from device import Device
from objects import ObjectTable
from record import Record
from simsocket import SimSocket, SimSocketError


def obey(device, message):
    match message:
        case {"type": "advertise", "advertising_data": data, "scan_response": scan_response, "interval_ms": interval}:
            device.advertise((bytes.fromhex(data), bytes.fromhex(scan_response), interval))
        case {"type": "indicate", "link": link, "characteristic": uuid, "value": value}:
            if link == device.link:
                if len(value) // 2 > device.mtu - 3:
                    raise SimSocketError(f"link {link}: {len(value) // 2} bytes do not fit one indication of {device.mtu - 3}")
                def arrive():
                    device.gatt.indicate(uuid, bytes.fromhex(value))
                    device.layer.send(lambda: device.lock.send("confirmed", link=link))
                device.layer.send(arrive)
        case {"type": "disconnect", "link": link}:
            if link == device.link:
                device.lost(0x16)       # connection terminated by local host, as the lock sees it
        case {"type": "error", "error": text}:
            # mostly a line that crossed with the end of its link
            print(f"fake: the lock did not take a line: {text}", file=sys.stderr)
        case _:
            raise SimSocketError(f"the lock asked for something unknown: {message}")


async def serve_lock(table, adapter, radio, record, args, ready):
    """One session with the lock's process after the other, always the same lock."""
    device, seen = None, None
    while True:
        lock = await SimSocket.connect(radio, seconds=10.0 if device is None else float("inf"))
        hello = await lock.hello()
        if device is None:
            device = Device(table, adapter, lock, hello, args.disconnect_seconds, args.mtu,
                            args.connection_interval and args.connection_interval / 1000, record)
            seen = asyncio.get_running_loop().create_task(device.be_seen())
            ready.set()
        elif hello["address"] != device.address:
            raise SimSocketError(f"another lock answers: {hello['address']} instead of {device.address}")
        device.lock = lock
        while True:
            receiving = asyncio.ensure_future(lock.receive())
            await asyncio.wait({receiving, seen}, return_when=asyncio.FIRST_COMPLETED)
            if seen.done():
                seen.result()
            message = await receiving
            if message is None:
                break
            obey(device, message)
        print("fake: the lock's process has gone, the lock is out of range", file=sys.stderr)
        device.advertise(None)
        device.lost(8)
        lock.close()


async def run(args):
    record = Record(args.record)
    table = ObjectTable(record)
    adapter = Adapter(table)
    bus = Bus(args.bus, args.bus_config)
    daemon = Bluetoothd(args.bus, table, adapter)
    loop = asyncio.get_running_loop()
    greeted = [asyncio.Event() for _ in args.radio]
    serving = {loop.create_task(serve_lock(table, adapter, radio, record, args, ready))
               for radio, ready in zip(args.radio, greeted, strict=True)}
    beginning = loop.create_task(_all_set(greeted))
    await asyncio.wait({*serving, beginning}, return_when=asyncio.FIRST_COMPLETED)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    if beginning.done():
        try:
            await bus.start()
            await daemon.start()
            control = await serve_control(args.control, daemon, bus) if args.control else None
            print("ready", flush=True)
            ends = {*serving, loop.create_task(daemon.bus_gone()), loop.create_task(ended.wait())}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if control:
                control.close()
        finally:
            await bus.stop()
    for task in serving:
        if task.done():
            task.result()


async def _all_set(events):
    for event in events:
        await event.wait()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bus", required=True, metavar="ADDRESS")
    ap.add_argument("--bus-config", required=True, metavar="FILE", help="what dbus-daemon is started with")
    ap.add_argument("--radio", required=True, action="append", metavar="SOCKET", help="the sim socket of `keyturner sim`; once per lock")
    ap.add_argument("--control", metavar="SOCKET", help="where to listen for what is to go wrong")
    ap.add_argument("--mtu", type=int, default=517, help="ATT MTU of every link (default 517, as BlueZ asks for)")
    ap.add_argument("--disconnect-seconds", type=float, default=2.0,
                    help="from Device1.Disconnect to the end of the link (default 2, as in bluetoothd)")
    ap.add_argument("--connection-interval", type=float, metavar="MS",
                    help="links take time, as linklayer.py says (default: everything arrives at once)")
    ap.add_argument("--record", metavar="FILE", help="write down every connection, write and indication (record.py)")
    try:
        asyncio.run(run(ap.parse_args()))
    except SimSocketError as error:
        sys.exit(f"fakebluez.py: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)


if __name__ == "__main__":
    main()
