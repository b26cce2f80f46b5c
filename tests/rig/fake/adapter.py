"""org.bluez.Adapter1: power and discovery. Which clients scan, and how."""
from dbus_fast import Variant

from objects import DBusFail, variants

ADAPTER = "/org/bluez/hci0"
ADAPTER1 = "org.bluez.Adapter1"


class Adapter:
    def __init__(self, table):
        self.table = table
        self.scanners = set()       # unique names of the clients that discover
        self.filters = {}           # unique name -> what it gave to SetDiscoveryFilter
        self.on_change = []         # called when power or discovery changed
        self.devices = {}           # object path -> device, for RemoveDevice
        table.handlers[ADAPTER1] = self
        table.writable[(ADAPTER1, "Powered")] = self._set_powered
        for name in ("Alias", "Discoverable", "Pairable", "DiscoverableTimeout", "PairableTimeout"):
            table.writable[(ADAPTER1, name)] = lambda path, value, name=name: self._set_plain(path, name, value)
        table.on_client_gone.append(self._client_gone)
        table.objects["/org/bluez"] = {"org.bluez.AgentManager1": {}, "org.bluez.ProfileManager1": {}}
        table.objects[ADAPTER] = {
            ADAPTER1: {
                **variants(Address="00:1A:7D:DA:71:13", AddressType="public", Name="fake", Alias="fake", Powered=True,
                           Discoverable=False, Pairable=False, Discovering=False),
                "Class": Variant("u", 0), "DiscoverableTimeout": Variant("u", 180), "PairableTimeout": Variant("u", 0),
                "UUIDs": Variant("as", []), "Roles": Variant("as", ["central", "peripheral"])},
            "org.bluez.GattManager1": {}}

    @property
    def properties(self):
        return self.table.objects[ADAPTER][ADAPTER1]

    @property
    def powered(self):
        return self.properties["Powered"].value

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
        if value.value == self.powered:
            return
        if not value.value:
            self.scanners.clear()
            self.filters.clear()
            self.table.set(path, ADAPTER1, Discovering=Variant("b", False))
        self.table.set(path, ADAPTER1, Powered=value)
        self._changed()

    def _changed(self):
        discovering = bool(self.scanners)
        if self.properties["Discovering"].value != discovering:
            self.table.set(ADAPTER, ADAPTER1, Discovering=Variant("b", discovering))
        for told in self.on_change:
            told()

    def _client_gone(self, client):
        """BlueZ ends the discovery of a client that left the bus, as when it was killed."""
        self.filters.pop(client, None)
        if client in self.scanners:
            self.scanners.discard(client)
            self._changed()

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
        if device not in self.table.objects or device not in self.devices:
            raise DBusFail("org.bluez.Error.DoesNotExist", "Does Not Exist")
        self.devices[device].remove()
