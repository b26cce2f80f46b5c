"""org.bluez.Device1 of one lock: seen, connected, lost, forgotten."""
import asyncio

from dbus_fast import Variant

import advertising
from gatt import Gatt
from linklayer import LinkLayer
from objects import DBusFail, variants
from record import Record

DEVICE1 = "org.bluez.Device1"
CONNECT_SECONDS = 40.0      # BlueZ gives up on a device that does not advertise
TEMPORARY_SECONDS = 30.0    # and forgets one that is neither paired nor trusted, when unseen that long
RSSI = Variant("n", -60)
RESOLVE_SECONDS = 0.05      # until ServicesResolved, where links take no time
DISCOVERY_ROUND_TRIPS = 20  # all services, characteristics and descriptors of a lock; see ../README.md


class Device:
    def __init__(self, table, adapter, lock, hello, disconnect_seconds, mtu, connection_interval=None, record=None):
        self.table, self.adapter, self.lock = table, adapter, lock
        self.disconnect_seconds, self.mtu = disconnect_seconds, mtu
        self.connection_interval = connection_interval      # seconds; None: links take no time
        self.record = record or Record()
        self.address = hello["address"]
        self.gatt = Gatt(table, self, hello["services"])
        self.advertised = None      # (advertising data, scan response, interval in ms); None: out of range
        self.link = None            # the number of the link while connected
        self.layer = None           # its link layer
        self.links = 0
        self.seen_at = 0.0
        self.sent_at = 0.0          # when it advertised last
        self._connecting = None
        self._resolving = set()
        self._on_air = asyncio.Event()      # set while it can be heard: in range and without a link
        self._sent = asyncio.Event()        # wakes whoever waits for the next advertisement; never stays set
        self._arrived = asyncio.Event()     # it came into range: it advertises at once
        self._stored = False                # bluetoothd has written down that it is trusted
        adapter.devices.append(self)
        adapter.on_change.append(self._adapter_changed)
        table.handlers.setdefault(DEVICE1, []).append(self)
        for name in ("Trusted", "Blocked", "Alias"):
            table.writable[(DEVICE1, name)] = lambda path, value, name=name: self._set_plain(path, name, value)

    @property
    def path(self):
        return f"{self.adapter.path}/dev_{self.address.replace(':', '_')}"

    @property
    def known(self):
        return self.path in self.table.objects

    @property
    def properties(self):
        return self.table.objects[self.path][DEVICE1]

    @property
    def temporary(self):
        return not (self.properties["Trusted"].value or self.properties["Paired"].value)

    async def _set_plain(self, path, name, value):
        self.table.set(path, DEVICE1, **{name: value})

    # ---- on the air -----------------------------------------------------
    def advertise(self, advertised):
        """What the lock sends from its next advertisement on; None when it has gone."""
        if advertised and not self.advertised:
            self._arrived.set()
        self.advertised = advertised
        self._update_air()

    def _update_air(self):
        if self.advertised and self.link is None:
            self._on_air.set()
        else:
            self._on_air.clear()

    async def be_seen(self):
        """Every advertising interval the scanning clients hear the lock once, and a connection can begin.
        The lock does not know who listens: when a scan begins, what was sent before is not heard."""
        while True:
            interval = self.advertised[2] / 1000 if self.advertised else 1.0
            try:
                await asyncio.wait_for(self._arrived.wait(), interval)
            except TimeoutError:
                pass
            self._arrived.clear()
            if self._on_air.is_set():
                self.sent_at = asyncio.get_running_loop().time()
                self._sent.set()
                self._sent.clear()
            if self._on_air.is_set() and self.adapter.scanners:
                self._heard()
            else:
                self._forget_if_long_unseen()

    def _forget_if_long_unseen(self):
        held = not self.known or self.link is not None or self._connecting or not self.temporary
        if not held and asyncio.get_running_loop().time() > self.seen_at + TEMPORARY_SECONDS:
            self.table.remove(self.path)

    def _heard(self):
        self.seen_at = asyncio.get_running_loop().time()
        found = advertising.properties(*self.advertised[:2])
        if not self.known:
            if self.adapter.wants(found["UUIDs"].value if "UUIDs" in found else []):
                self._appear({"RSSI": RSSI, **found})
            return
        # What is not advertised any more stays as it was: BlueZ only ever adds and replaces.
        if "UUIDs" in found:
            found["UUIDs"] = Variant("as", sorted({*self.properties["UUIDs"].value, *found["UUIDs"].value}))
        changed = {name: value for name, value in found.items()
                   if self.properties.get(name) != value
                   or (self.adapter.repeats and name in ("ManufacturerData", "ServiceData"))}
        if "RSSI" not in self.properties or changed:
            changed["RSSI"] = RSSI
        if changed:
            self.table.set(self.path, DEVICE1, **changed)

    def _appear(self, found):
        plain = variants(Address=self.address, AddressType="public", Alias=self.address.replace(":", "-"), Paired=False,
                         Bonded=False, Trusted=False, Blocked=False, LegacyPairing=False, Connected=False, ServicesResolved=False)
        self.table.add(self.path, {DEVICE1: {
            **plain, "Adapter": Variant("o", self.adapter.path), "UUIDs": Variant("as", []), **found}})

    def _adapter_changed(self):
        if not self.adapter.powered and self.link is not None:
            self.lost(8)
        if not self.adapter.scanners and self.known:
            self.table.invalidate(self.path, DEVICE1, "RSSI")

    def vanish(self):
        """Adapter or bluetoothd has gone: the link ends, and nobody says so on the bus."""
        self._stored = self.known and not self.temporary
        if self._connecting:
            self._connecting.cancel()
        self._end_link(8)

    def restore(self):
        """bluetoothd knows again what it has written down."""
        if self._stored:
            self._appear({"Trusted": Variant("b", True)})

    # ---- methods --------------------------------------------------------
    async def Connect(self, _sender, path):
        if not self.adapter.powered:
            raise DBusFail("org.bluez.Error.NotReady", "Resource Not Ready")
        if self._connecting:
            raise DBusFail("org.bluez.Error.InProgress", "In Progress")
        if self.link is not None:
            return
        self.record.note("connect")
        reachable = self._on_air if self.connection_interval is None else self._sent
        self._connecting = asyncio.get_running_loop().create_task(asyncio.wait_for(reachable.wait(), CONNECT_SECONDS))
        try:
            await self._connecting
        except TimeoutError:
            if self.temporary:
                self.table.remove(path)
            raise DBusFail("org.bluez.Error.Failed", "le-connection-abort-by-local") from None
        except asyncio.CancelledError:
            raise DBusFail("org.bluez.Error.Failed", "le-connection-canceled") from None
        finally:
            self._connecting = None
        await self._establish()

    async def Disconnect(self, _sender, _path):
        if self._connecting:
            self._connecting.cancel()
            return
        if self.link is None:
            raise DBusFail("org.bluez.Error.NotConnected", "Not Connected")
        link = self.link
        await asyncio.sleep(self.disconnect_seconds)
        if self.link == link:
            self.lost(0x13)     # remote user terminated connection

    # ---- the link -------------------------------------------------------
    async def _establish(self):
        self.links += 1
        self.link, self.layer = self.links, LinkLayer(self.connection_interval)
        self._update_air()
        self.record.note("answered")
        self.lock.send("connected", link=self.link, mtu=23)
        link = self.link
        if self.connection_interval is not None:
            await self.layer.request()      # the features of both link layers
        self.record.note("connected")
        self.table.set(self.path, DEVICE1, Connected=Variant("b", True))
        # BlueZ answers Connect before the services are discovered
        task = asyncio.get_running_loop().create_task(self._resolve(link))
        self._resolving.add(task)
        task.add_done_callback(self._resolving.discard)

    async def _resolve(self, link):
        """The MTU is agreed on, then BlueZ looks for the services, unless it has kept them."""
        try:
            await self.layer.request(lambda: self.lock.send("mtu", link=link, mtu=self.mtu))
            if self.connection_interval is None:
                await asyncio.sleep(RESOLVE_SECONDS)
            elif not self.gatt.is_cached:
                self.record.note("discovery")
                for _ in range(DISCOVERY_ROUND_TRIPS):
                    await self.layer.request()
        except DBusFail:
            return      # the link ended
        if self.link == link:
            self.gatt.export()
            self.record.note("resolved")
            self.table.set(self.path, DEVICE1, ServicesResolved=Variant("b", True), UUIDs=Variant("as", sorted(self.gatt.uuids)))

    def lost(self, reason):
        """The link is down, whoever ended it."""
        if self._end_link(reason):
            self.gatt.withdraw()
            self.table.set(self.path, DEVICE1, ServicesResolved=Variant("b", False), Connected=Variant("b", False))
            self.seen_at = asyncio.get_running_loop().time()

    def _end_link(self, reason):
        link, self.link = self.link, None
        if link is None:
            return False
        self.layer.end()
        self.record.note("disconnected")
        self.lock.send("disconnected", link=link, reason=reason)
        self.gatt.notifiers.clear()
        self._update_air()
        return True

    def remove(self):
        """Adapter1.RemoveDevice"""
        self.lost(0x13)
        self.gatt.is_cached = False
        self.table.remove(self.path)
