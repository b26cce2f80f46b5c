"""org.bluez.Adapter1: power and discovery. Which clients scan, and how."""
from dbus_fast import Variant

from objects import DBusFail, variants
from peripheral import Peripheral

ADAPTER1 = "org.bluez.Adapter1"


class Adapter:
    def __init__(self, table):
        self.table = table
        self.path = None            # None: it is not plugged in
        self.scanners = set()       # unique names of the clients that discover
        self.filters = {}           # unique name -> what it gave to SetDiscoveryFilter
        self.on_change = []         # called when power or discovery changed
        self.devices = []           # every device that it can hear
        self.peripheral = Peripheral(table, self)
        table.handlers[ADAPTER1] = self
        table.writable[(ADAPTER1, "Powered")] = self._set_powered
        for name in ("Alias", "Discoverable", "Pairable", "DiscoverableTimeout", "PairableTimeout"):
            table.writable[(ADAPTER1, name)] = lambda path, value, name=name: self._set_plain(path, name, value)
        table.on_client_gone.append(self._client_gone)
        table.objects["/org/bluez"] = {"org.bluez.AgentManager1": {}, "org.bluez.ProfileManager1": {}}
        self.plug("hci0")

    def plug(self, name):
        """It appears, powered, as after AutoEnable; with everything that bluetoothd has kept of its devices."""
        self.path = f"/org/bluez/{name}"
        self.table.add(self.path, {
            ADAPTER1: {
                **variants(Address="00:1A:7D:DA:71:13", AddressType="public", Name="fake", Alias="fake", Powered=True,
                           Discoverable=False, Pairable=False, Discovering=False),
                "Class": Variant("u", 0), "DiscoverableTimeout": Variant("u", 180), "PairableTimeout": Variant("u", 0),
                "UUIDs": Variant("as", []), "Roles": Variant("as", ["central", "peripheral"])},
            **self.peripheral.interfaces()})
        for device in self.devices:
            device.restore()

    def spare(self, name, there):
        """Another adapter beside it: it is on and scans, and hears nothing."""
        path = f"/org/bluez/{name}"
        if there:
            own = {**self.properties, **variants(Address="00:1A:7D:DA:71:14", Powered=True, Discovering=True)}
            self.table.add(path, {ADAPTER1: own})
        else:
            self.table.remove(path)

    def unplug(self):
        """It goes, and with it every device, link and discovery."""
        self._forget_clients()
        for device in self.devices:
            device.vanish()
        self.table.remove(self.path)
        self.path = None

    def _forget_clients(self):
        self.scanners.clear()
        self.filters.clear()

    def stop_discovery(self):
        """As when the controller was reset: nobody scans any more, and BlueZ says so."""
        self._forget_clients()
        self._changed()

    @property
    def properties(self):
        return self.table.objects[self.path][ADAPTER1]

    @property
    def powered(self):
        return self.path is not None and self.properties["Powered"].value

    def wants(self, uuids):
        """Does a client's filter let a device with these service UUIDs through?"""
        def match(client):
            asked = self.filters.get(client, {}).get("UUIDs")
            return not asked or not asked.value or set(u.lower() for u in asked.value) & set(uuids)
        return any(match(client) for client in self.scanners)

    @property
    def repeats(self):
        """DuplicateData: does anybody want unchanged data again and again?"""
        return any(bool(f["DuplicateData"].value) for c in self.scanners
                   if "DuplicateData" in (f := self.filters.get(c, {})))

    async def _set_plain(self, path, name, value):
        self.table.set(path, ADAPTER1, **{name: value})

    async def _set_powered(self, path, value):
        self._switch(path, value)

    def _switch(self, path, value):
        if value.value == self.powered:
            return
        if not value.value:
            self._forget_clients()
            self.table.set(path, ADAPTER1, Discovering=Variant("b", False))
        self.table.set(path, ADAPTER1, Powered=value)
        self._changed()

    def _changed(self):
        discovering = bool(self.scanners)
        if self.properties["Discovering"].value != discovering:
            self.table.set(self.path, ADAPTER1, Discovering=Variant("b", discovering))
        for told in self.on_change:
            told()

    def _client_gone(self, client):
        """BlueZ ends the discovery of a client that left the bus, as when it was killed."""
        self.filters.pop(client, None)
        if client in self.scanners:
            self.scanners.discard(client)
            self._changed()

    def switch(self, on):
        """By somebody's hand, or by rfkill."""
        self._switch(self.path, Variant("b", on))

    # ---- methods --------------------------------------------------------
    async def SetDiscoveryFilter(self, sender, _path, options):
        self.filters[sender] = options

    async def StartDiscovery(self, sender, _path):
        if not self.powered:
            raise DBusFail("org.bluez.Error.NotReady", "Resource Not Ready")
        if sender in self.scanners:
            raise DBusFail("org.bluez.Error.InProgress", "Operation already in progress")
        self.scanners.add(sender)
        self._changed()

    async def StopDiscovery(self, sender, _path):
        if not self.powered:
            raise DBusFail("org.bluez.Error.NotReady", "Resource Not Ready")
        if sender not in self.scanners:
            raise DBusFail("org.bluez.Error.Failed", "No discovery started")
        self.scanners.discard(sender)
        self._changed()

    async def RemoveDevice(self, _sender, _path, device):
        for known in self.devices:
            if known.known and known.path == device:
                return known.remove()
        raise DBusFail("org.bluez.Error.DoesNotExist", "Does Not Exist")
