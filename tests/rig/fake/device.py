"""org.bluez.Device1 of one lock: seen, connected, lost, forgotten."""
import asyncio

from dbus_fast import Variant

import advertising
from gatt import Gatt
from objects import DBusFail, variants

DEVICE1 = "org.bluez.Device1"
CONNECT_SECONDS = 40.0      # BlueZ gives up on a device that does not advertise
TEMPORARY_SECONDS = 30.0    # and forgets one that is neither paired nor trusted, when unseen that long
RSSI = Variant("n", -60)


class Device:
    def __init__(self, table, adapter, lock, hello, disconnect_seconds, mtu):
        self.table, self.adapter, self.lock = table, adapter, lock
        self.disconnect_seconds, self.mtu = disconnect_seconds, mtu
        self.address = hello["address"]
        self.gatt = Gatt(table, self, hello["services"])
        self.advertised = None      # (advertising data, scan response, interval in ms); None: out of range
        self.link = None            # the number of the link while connected
        self.links = 0
        self.seen_at = 0.0
        self._connecting = None
        self._on_air = asyncio.Event()      # set while it can be heard: in range and without a link
        self._wake = asyncio.Event()        # ends the interval that be_seen waits for
        self._new_data = False
        self._stored = False                # bluetoothd has written down that it is trusted
        adapter.devices.append(self)
        adapter.on_change.append(self._adapter_changed)
        table.handlers[DEVICE1] = self
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
        """What the lock sends from now on; None when it has gone."""
        self.advertised = advertised
        self._update_air()
        self._new_data = True
        self._wake.set()

    def _update_air(self):
        if self.advertised and self.link is None:
            self._on_air.set()
        else:
            self._on_air.clear()

    async def be_seen(self):
        """Every advertising interval the scanning clients hear the lock once; the first time one interval
        after the scan began, since a radio does not hear what was sent before."""
        while True:
            interval = self.advertised[2] / 1000 if self.advertised else 1.0
            try:
                await asyncio.wait_for(self._wake.wait(), interval)
            except TimeoutError:
                due = True
            else:
                due, self._new_data = self._new_data, False
                self._wake.clear()
            if due and self._on_air.is_set() and self.adapter.scanners:
                self._heard()
            elif due:
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
        self._wake.set()

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
        self._connecting = asyncio.get_running_loop().create_task(asyncio.wait_for(self._on_air.wait(), CONNECT_SECONDS))
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
        self._established()

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
    def _established(self):
        self.links += 1
        self.link = self.links
        self._update_air()
        self.lock.send("connected", link=self.link, mtu=23)
        self.lock.send("mtu", link=self.link, mtu=self.mtu)
        self.table.set(self.path, DEVICE1, Connected=Variant("b", True))
        # BlueZ answers Connect before the services are discovered
        asyncio.get_running_loop().call_later(0.05, self._resolve, self.link)

    def _resolve(self, link):
        if self.link == link:
            self.gatt.export()
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
        self.lock.send("disconnected", link=link, reason=reason)
        self.gatt.notifiers.clear()
        self._update_air()
        return True

    def remove(self):
        """Adapter1.RemoveDevice"""
        self.lost(0x13)
        self.table.remove(self.path)
