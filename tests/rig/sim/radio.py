#!/usr/bin/env python3
"""radio.py --hci SOCKET --lock SOCKET[,mtu=BYTES] [--lock ...]

The radios of simulated locks on one air: BLE peripherals that decide nothing.
Each lock lives in another process (`keyturner sim`) behind its --lock, the sim
socket; BlueZ finds its Bluetooth controller on --hci, where H4 is spoken. Prints
"ready" when all ends are there. Ends with exit code 1 when a lock goes away.
"""
import argparse
import asyncio
import logging
import sys

from bumble.core import UUID, ProtocolError

from blesim import Air, Characteristic, CharacteristicValue, Peripheral, Permissions, Properties, Service
from simsocket import SimSocket, SimSocketError

log = logging.getLogger("radio")

PROPERTIES = {"write": Properties.WRITE, "indicate": Properties.INDICATE, "notify": Properties.NOTIFY,
              "read": Properties.READ, "write-without-response": Properties.WRITE_WITHOUT_RESPONSE}
ATT_HEADER = 3
ATT_MIN_MTU, ATT_MAX_MTU = 23, 517


class Link:
    """One connected central. Indications go out one by one, each after the last was confirmed."""

    def __init__(self, number, connection):
        self.number, self.connection = number, connection
        self.outgoing = asyncio.Queue()
        self.sender = None


class LockRadio:
    def __init__(self, lock):
        self.lock = lock
        self.links = {}             # bumble's connection handle -> Link
        self.numbers = 0
        self.characteristics = {}   # uuid text -> Characteristic
        self.failed = asyncio.get_running_loop().create_future()

    async def open(self, hello, air, mtu):
        services = []
        for service in hello["services"]:
            made = [self._characteristic(c["uuid"], c["properties"]) for c in service["characteristics"]]
            services.append(Service(UUID(service["uuid"]), made))
        self.peripheral = await Peripheral.create(air, hello["address"], services, max_mtu=mtu)
        self.peripheral.device.on("connection", self._connected)
        self.peripheral.device.gatt_server.on("characteristic_subscription", self._subscribed)

    def _characteristic(self, uuid, properties):
        flags = Properties(0)
        for name in properties:
            flags |= PROPERTIES[name]
        value = CharacteristicValue(write=lambda connection, data: self._written(uuid, connection, data))
        self.characteristics[uuid] = Characteristic(UUID(uuid), flags, Permissions.WRITEABLE, value)
        return self.characteristics[uuid]

    # -- from the air to the lock -----------------------------------------
    def _connected(self, connection):
        self.numbers += 1
        link = Link(self.numbers, connection)
        self.links[connection.handle] = link
        link.sender = asyncio.get_running_loop().create_task(self._send_indications(link))
        connection.on("connection_att_mtu_update", lambda: self._mtu_changed(link))
        connection.on("disconnection", lambda reason: self._disconnected(link, reason))
        log.info("link %d: connected to %s", link.number, connection.peer_address)
        self.lock.send("connected", link=link.number, mtu=connection.att_mtu)

    def _disconnected(self, link, reason):
        self.links.pop(link.connection.handle, None)
        link.sender.cancel()
        log.info("link %d: disconnected, reason 0x%02x", link.number, reason)
        self.lock.send("disconnected", link=link.number, reason=int(reason))

    def _mtu_changed(self, link):
        log.info("link %d: MTU %d", link.number, link.connection.att_mtu)
        self.lock.send("mtu", link=link.number, mtu=link.connection.att_mtu)

    def _subscribed(self, connection, characteristic, _notify, indicate):
        link = self.links.get(connection.handle)
        for uuid, known in self.characteristics.items():
            if link and known is characteristic:
                self.lock.send("subscribed", link=link.number, characteristic=uuid, indications=bool(indicate))

    def _written(self, uuid, connection, value):
        if link := self.links.get(connection.handle):
            self.lock.send("write", link=link.number, characteristic=uuid, value=bytes(value).hex())

    # -- from the lock to the air -----------------------------------------
    async def obey(self, message):
        match message:
            case {"type": "advertise", "advertising_data": data, "scan_response": scan_response, "interval_ms": interval}:
                await self.peripheral.advertise(bytes.fromhex(data), bytes.fromhex(scan_response), interval)
            case {"type": "indicate", "link": number, "characteristic": uuid, "value": value}:
                if link := self._link(number):
                    link.outgoing.put_nowait((uuid, bytes.fromhex(value)))
            case {"type": "disconnect", "link": number}:
                if link := self._link(number):
                    await self._hang_up(link)
            case {"type": "error", "error": text}:
                # mostly a line that crossed with the end of its link
                log.warning("the lock did not take a line: %s", text)
            case _:
                raise SimSocketError(f"the lock asked for something unknown: {message}")

    def _link(self, number):
        """None for a link that has just been lost: the lock could not know yet."""
        if number > self.numbers:
            raise SimSocketError(f"the lock speaks of link {number}, which never existed")
        return next((link for link in self.links.values() if link.number == number), None)

    async def _hang_up(self, link):
        try:
            await link.connection.disconnect()
        except ProtocolError as error:      # the central may have been quicker
            log.warning("link %d could not be closed: %s", link.number, error)

    async def _send_indications(self, link):
        try:
            while True:
                uuid, value = await link.outgoing.get()
                await self._indicate(link, uuid, value)
                self.lock.send("confirmed", link=link.number)
        except Exception as error:      # a task's exception would otherwise be lost
            if not self.failed.done():
                self.failed.set_exception(error)

    async def _indicate(self, link, uuid, value):
        characteristic, device = self.characteristics[uuid], self.peripheral.device
        room = link.connection.att_mtu - ATT_HEADER
        if len(value) > room:
            raise SimSocketError(f"link {link.number}: {len(value)} bytes do not fit one indication of {room}")
        cccd = device.gatt_server.subscribers.get(link.connection, {}).get(characteristic.handle, b"\0\0")
        if not cccd[0] & 2:
            # the central may just have unsubscribed; the caller confirms, so that the lock goes on
            log.warning("link %d: nobody is subscribed to %s, the indication is dropped", link.number, uuid)
            return
        await device.indicate_subscriber(link.connection, characteristic, value)


async def listen(lock, radio):
    while message := await lock.receive():
        await radio.obey(message)
    raise SimSocketError(f"{lock.path}: the lock closed the sim socket")


def lock_option(text):
    """PATH or PATH,mtu=BYTES, as (path, largest ATT_MTU)."""
    path, comma, mtu = text.partition(",mtu=")
    if not comma:
        return path, ATT_MAX_MTU
    if not (mtu.isdecimal() and ATT_MIN_MTU <= int(mtu) <= ATT_MAX_MTU):
        raise argparse.ArgumentTypeError(f"mtu={mtu}: between {ATT_MIN_MTU} and {ATT_MAX_MTU}")
    return path, int(mtu)


async def run(args):
    locks = [(await SimSocket.connect(path), mtu) for path, mtu in args.lock]
    air = await Air.open(f"unix-server:{args.hci}")
    ends = []
    for lock, mtu in locks:
        radio = LockRadio(lock)
        await radio.open(await lock.hello(), air, mtu)
        ends += [asyncio.get_running_loop().create_task(listen(lock, radio)), radio.failed]
    print("ready", flush=True)
    done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for end in done:
        end.result()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--hci", required=True, metavar="SOCKET", help="made here; the VM's controller")
    ap.add_argument("--lock", required=True, action="append", type=lock_option, metavar="SOCKET[,mtu=BYTES]",
                    help="the sim socket of `keyturner sim`, and the largest ATT_MTU that the lock agrees to (23 to 517, the "
                         "default); once for each lock")
    ap.add_argument("--debug", action="store_true")
    args = ap.parse_args()
    logging.basicConfig(level=logging.DEBUG if args.debug else logging.INFO,
                        format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    try:
        asyncio.run(run(args))
    except SimSocketError as error:
        sys.exit(f"radio.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
