#!/usr/bin/env python3
"""echo_lock.py SOCKET: the lock's end of the sim socket, for the rig's self-test.

Looks like a Nuki lock on the air and sends back whatever is written, in
indications of at most 20 bytes, each after the one before was confirmed. A write that
begins with "!cmd " is a command instead: flip (the beacon's state bit), pairing (service
data in place of the beacon), drop (end the link). The first two take effect when
the link has ended, as a change at the door would be seen by a gateway that scans.
"""
import asyncio
import json
import pathlib
import sys

KEYTURNER = "a92ee200-5501-11e4-916c-0800200c9a66"
GDIO = "a92ee201-5501-11e4-916c-0800200c9a66"
USDIO = "a92ee202-5501-11e4-916c-0800200c9a66"
PAIRING = "a92ee100-5501-11e4-916c-0800200c9a66"
PAIRING_GDIO = "a92ee101-5501-11e4-916c-0800200c9a66"
NUKI_ID = bytes.fromhex("1a2b3c4d")
FLAGS = bytes([2, 1, 6])


def characteristic(uuid):
    return {"uuid": uuid, "properties": ["write", "indicate"]}


class EchoLock:
    def __init__(self, writer):
        self.writer, self.tx_power, self.pairing = writer, 0xC4, False
        self.queues, self.subscribed, self.waiting = {}, set(), {}

    def send(self, kind, **fields):
        self.writer.write(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def hello(self):
        self.send("hello", address="54:D2:72:AA:BB:CC", services=[
            {"uuid": PAIRING, "characteristics": [characteristic(PAIRING_GDIO)]},
            {"uuid": KEYTURNER, "characteristics": [characteristic(GDIO), characteristic(USDIO)]}])
        self.advertise()

    def advertise(self):
        if self.pairing:    # no room for the beacon next to it
            data = FLAGS + bytes([21, 0x21]) + bytes.fromhex(PAIRING.replace("-", ""))[::-1] + NUKI_ID
        else:               # iBeacon: UUID, id as major and minor, tx power with the state bit
            data = (FLAGS + bytes([26, 0xFF, 0x4C, 0x00, 0x02, 0x15]) + bytes.fromhex(KEYTURNER.replace("-", ""))
                    + NUKI_ID + bytes([self.tx_power]))
        name = b"Nuki_" + NUKI_ID.hex().upper().encode()
        self.send("advertise", advertising_data=data.hex(), interval_ms=100,
                  scan_response=(bytes([len(name) + 1, 0x09]) + name).hex())

    def heard(self, message):
        match message:
            case {"type": "connected", "link": link}:
                self.queues[link], self.waiting[link] = [], False
            case {"type": "disconnected", "link": link}:
                del self.queues[link]
                self.advertise()
            case {"type": "subscribed", "link": link, "characteristic": uuid, "indications": on}:
                (self.subscribed.add if on else self.subscribed.discard)((link, uuid))
            case {"type": "write", "link": link, "characteristic": uuid, "value": value}:
                self.written(link, uuid, bytes.fromhex(value))
            case {"type": "confirmed", "link": link}:
                self.waiting[link] = False
                self.pump(link)
            case {"type": "mtu"}:
                pass
            case _:
                sys.exit(f"echo_lock.py: the radio said something unknown: {message}")

    def written(self, link, uuid, value):
        if value[:5] != b"!cmd ":
            if (link, uuid) not in self.subscribed:
                sys.exit(f"echo_lock.py: written to {uuid} before it was subscribed")
            self.queues[link] += [(uuid, value[i:i + 20]) for i in range(0, len(value), 20)]
            self.pump(link)
        elif value == b"!cmd flip":
            self.tx_power ^= 1
        elif value == b"!cmd pairing":
            self.pairing = not self.pairing
        elif value == b"!cmd drop":
            self.send("disconnect", link=link)
        else:
            sys.exit(f"echo_lock.py: unknown command {value!r}")

    def pump(self, link):
        if self.queues[link] and not self.waiting[link]:
            uuid, piece = self.queues[link].pop(0)
            self.waiting[link] = True
            self.send("indicate", link=link, characteristic=uuid, value=piece.hex())


async def main(path):
    async def serve(reader, writer):
        lock = EchoLock(writer)
        lock.hello()
        while line := await reader.readline():
            lock.heard(json.loads(line))
        writer.close()
    pathlib.Path(path).unlink(missing_ok=True)
    async with await asyncio.start_unix_server(serve, path) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
