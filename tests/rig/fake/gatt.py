"""The lock's GATT tree on D-Bus, there while it is connected."""
import sys

from dbus_fast import Variant

from objects import DBusFail, variants

SERVICE1 = "org.bluez.GattService1"
CHARACTERISTIC1 = "org.bluez.GattCharacteristic1"
DESCRIPTOR1 = "org.bluez.GattDescriptor1"
CCCD = "00002902-0000-1000-8000-00805f9b34fb"
MAX_ATTRIBUTE = 512


class Gatt:
    def __init__(self, table, device, services):
        self.table, self.device, self.services = table, device, services
        self.uuids = [s["uuid"] for s in services]
        self.first_handle = 0x0010
        self.is_cached = False  # bluetoothd has kept the table of an earlier link
        self.notifiers = {}     # characteristic path -> unique names of the clients that have StartNotify
        table.handlers.setdefault(CHARACTERISTIC1, []).append(self)
        table.on_client_gone.append(self._client_gone)

    @property
    def path(self):
        return self.device.path

    # ---- the tree -------------------------------------------------------
    def export(self):
        self.is_cached = True
        handle = self.first_handle
        for service in self.services:
            sp = f"{self.device.path}/service{handle:04x}"
            self.table.add(sp, {SERVICE1: {**variants(UUID=service["uuid"], Primary=True),
                                           "Device": Variant("o", self.device.path), "Includes": Variant("ao", [])}})
            for characteristic in service["characteristics"]:
                handle += 1
                cp = f"{sp}/char{handle:04x}"
                self.table.add(cp, {CHARACTERISTIC1: {
                    **variants(UUID=characteristic["uuid"], Notifying=False), "Service": Variant("o", sp),
                    "Value": Variant("ay", b""), "Flags": Variant("as", characteristic["properties"]),
                    "MTU": Variant("q", self.device.mtu)}})
                handle += 2     # declaration and value, then the descriptor
                self.table.add(f"{cp}/desc{handle:04x}", {DESCRIPTOR1: {
                    **variants(UUID=CCCD), "Characteristic": Variant("o", cp), "Value": Variant("ay", b"")}})
            handle += 1

    def withdraw(self):
        for path in [p for p in self.table.objects if p.startswith(f"{self.device.path}/service")]:
            if path in self.table.objects:
                self.table.remove(path)

    def _path(self, uuid):
        for path, interfaces in self.table.objects.items():
            if path.startswith(self.device.path) and CHARACTERISTIC1 in interfaces \
                    and interfaces[CHARACTERISTIC1]["UUID"].value == uuid:
                return path
        return None

    def _uuid(self, path):
        return self.table.objects[path][CHARACTERISTIC1]["UUID"].value

    def _flags(self, path):
        return self.table.objects[path][CHARACTERISTIC1]["Flags"].value

    # ---- indications ----------------------------------------------------
    def indicate(self, uuid, value):
        """One signal per indication, also for equal values. Nobody subscribed: it is dropped, as on the air."""
        path = self._path(uuid)
        if path and self.notifiers.get(path):
            self.device.record.note("indication", characteristic=uuid, bytes=len(value))
            self.table.set(path, CHARACTERISTIC1, Value=Variant("ay", value))
        else:
            print(f"fake: nobody is subscribed to {uuid}, the indication is dropped", file=sys.stderr)

    async def StartNotify(self, sender, path):
        self._need_link()
        if not {"indicate", "notify"} & set(self._flags(path)):
            raise DBusFail("org.bluez.Error.NotSupported", "Operation is not supported")
        clients = self.notifiers.setdefault(path, set())
        first = not clients
        clients.add(sender)
        if first:
            await self.device.layer.request(lambda: self._tell_lock(path, True))
            self.table.set(path, CHARACTERISTIC1, Notifying=Variant("b", True))

    async def StopNotify(self, sender, path):
        if sender not in self.notifiers.get(path, ()):
            raise DBusFail("org.bluez.Error.Failed", "No notify session started")
        self._stop(sender, path)

    def _stop(self, client, path):
        self.notifiers[path].discard(client)
        if not self.notifiers[path] and path in self.table.objects:
            self.table.set(path, CHARACTERISTIC1, Notifying=Variant("b", False))
            # BlueZ does not wait until the lock knows.
            self.device.layer.send(lambda: self._tell_lock(path, False))

    def _client_gone(self, client):
        """BlueZ ends the subscriptions of a client that left the bus; it does not disconnect the device."""
        for path, clients in self.notifiers.items():
            if client in clients:
                self._stop(client, path)

    def _tell_lock(self, path, indications):
        self.device.record.note("cccd", characteristic=self._uuid(path), on=indications)
        self.device.lock.send("subscribed", link=self.device.link, characteristic=self._uuid(path), indications=indications)

    async def AcquireNotify(self, _sender, _path, _options):
        # BlueZ 5.66 refuses this for indications (5.82 allows it): nobody should rely on it
        raise DBusFail("org.bluez.Error.NotSupported", "Operation is not supported")

    # ---- reading and writing --------------------------------------------
    async def ReadValue(self, _sender, path, _options):
        self._need_link()
        if "read" not in self._flags(path):
            raise DBusFail("org.bluez.Error.NotPermitted", "Read not permitted")
        return "ay", [b""]

    async def WriteValue(self, _sender, path, value, options):
        self._need_link()
        value, flags = bytes(value), self._flags(path)
        kind = options["type"].value if "type" in options else ("request" if "write" in flags else "command")
        if len(value) > MAX_ATTRIBUTE:
            raise DBusFail("org.bluez.Error.InvalidValueLength", "Invalid value length")
        if kind == "command" and "write-without-response" not in flags:
            # BlueZ sends it all the same, and the lock ignores it
            print(f"fake: write command to {self._uuid(path)} dropped: it has no write-without-response", file=sys.stderr)
            return
        uuid, round_trips = self._uuid(path), self._round_trips(len(value))
        self.device.record.note("write", characteristic=uuid, bytes=len(value), round_trips=round_trips)
        for _ in range(round_trips - 1):
            await self.device.layer.request()
        link = self.device.link
        await self.device.layer.request(
            lambda: self.device.lock.send("write", link=link, characteristic=uuid, value=value.hex()))
        self.device.record.note("written")

    def _round_trips(self, size):
        """A request holds MTU - 3 bytes; a longer value is prepared in pieces of MTU - 5, then executed."""
        mtu = self.device.mtu
        return 1 if size <= mtu - 3 else -(-size // (mtu - 5)) + 1

    def _need_link(self):
        if self.device.link is None:
            raise DBusFail("org.bluez.Error.Failed", "Not connected")
