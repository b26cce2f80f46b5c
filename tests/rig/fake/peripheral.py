"""org.bluez.GattManager1 and LEAdvertisingManager1: an application of a client on the adapter, and a central that uses it.

The central is nobody's device: `Central` makes its Device1 appear, calls the application as bluetoothd does for a real
one, and keeps what was indicated to it.
"""
from dbus_fast import Message, MessageType, Variant

from objects import OBJECT_MANAGER, PROPERTIES, DBusFail, variants

GATT_MANAGER1, ADVERTISING_MANAGER1 = "org.bluez.GattManager1", "org.bluez.LEAdvertisingManager1"
SERVICE1, CHARACTERISTIC1 = "org.bluez.GattService1", "org.bluez.GattCharacteristic1"
ADVERTISEMENT1, DEVICE1, ADAPTER1 = "org.bluez.LEAdvertisement1", "org.bluez.Device1", "org.bluez.Adapter1"
INSTANCES = 5


class Peripheral:
    def __init__(self, table, adapter):
        self.table, self.adapter = table, adapter
        self.applications = {}      # (client, path) -> its objects: path -> interface -> property -> Variant
        self.advertisements = {}    # (client, path) -> property -> Variant
        self.missing = set()        # interfaces that this bluetoothd does not have
        self.central = None
        table.handlers[GATT_MANAGER1] = table.handlers[ADVERTISING_MANAGER1] = self
        table.on_client_gone.append(self._client_gone)

    def interfaces(self):
        """For a new adapter, which knows nothing of what was registered at the last one."""
        self.applications.clear()
        self.advertisements.clear()
        self.central = None
        both = {GATT_MANAGER1: {}, ADVERTISING_MANAGER1: {
            "ActiveInstances": Variant("y", 0), "SupportedInstances": Variant("y", INSTANCES),
            "SupportedIncludes": Variant("as", ["local-name"])}}
        return {name: properties for name, properties in both.items() if name not in self.missing}

    async def call(self, client, path, interface, member, signature="", body=()):
        answer = await self.table.bus.call(Message(destination=client, path=path, interface=interface, member=member,
                                                   signature=signature, body=list(body)))
        if answer.message_type == MessageType.ERROR:
            raise DBusFail(answer.error_name, str(answer.body))
        return answer.body

    def _changed(self):
        path, used = self.adapter.path, len(self.advertisements)
        if path is None or ADVERTISING_MANAGER1 not in self.table.objects[path]:
            return
        self.table.set(path, ADVERTISING_MANAGER1, ActiveInstances=Variant("y", used),
                       SupportedInstances=Variant("y", INSTANCES - used))
        self.table.set(path, ADAPTER1, UUIDs=Variant("as", [s["UUID"].value for s in self._all(SERVICE1)]))

    def _all(self, interface):
        return [found[interface] for objects in self.applications.values() for found in objects.values() if interface in found]

    def _client_gone(self, client):
        for registered in (self.applications, self.advertisements):
            for key in [key for key in registered if key[0] == client]:
                del registered[key]
        self._changed()

    # ---- methods --------------------------------------------------------
    async def RegisterApplication(self, sender, _path, application, _options):
        [objects] = await self.call(sender, application, OBJECT_MANAGER, "GetManagedObjects")
        if not any(SERVICE1 in interfaces for interfaces in objects.values()):
            raise DBusFail("org.bluez.Error.Failed", "No object received")
        self.applications[sender, application] = objects
        self._changed()

    async def UnregisterApplication(self, sender, _path, application):
        if self.applications.pop((sender, application), None) is None:
            raise DBusFail("org.bluez.Error.DoesNotExist", "Does Not Exist")
        self._changed()

    async def RegisterAdvertisement(self, sender, _path, advertisement, _options):
        if len(self.advertisements) >= INSTANCES:
            raise DBusFail("org.bluez.Error.NotPermitted", "Maximum advertisements reached")
        [properties] = await self.call(sender, advertisement, PROPERTIES, "GetAll", "s", [ADVERTISEMENT1])
        self.advertisements[sender, advertisement] = properties
        self._changed()

    async def UnregisterAdvertisement(self, sender, _path, advertisement):
        if self.advertisements.pop((sender, advertisement), None) is None:
            raise DBusFail("org.bluez.Error.DoesNotExist", "Does Not Exist")
        self._changed()

    # ---- what a test asks -----------------------------------------------
    def seen(self):
        """What somebody near would find."""
        def plain(data):
            return {str(key): bytes(value.value).hex() for key, value in data.value.items()}
        return {"advertised": [{"manufacturer": plain(a["ManufacturerData"]), "service": plain(a["ServiceData"]),
                                "name": a["LocalName"].value} for a in self.advertisements.values()],
                "services": [s["UUID"].value for s in self._all(SERVICE1)],
                "characteristics": {c["UUID"].value: c["Flags"].value for c in self._all(CHARACTERISTIC1)}}

    def connect(self, address):
        self.central = self.central or Central(self)
        self.central.connect(address)

    def lose(self, interface):
        self.missing.add(interface)
        self.table.objects[self.adapter.path].pop(interface)


class Central:
    """Whoever has connected to the adapter."""

    def __init__(self, peripheral):
        self.peripheral, self.table = peripheral, peripheral.table
        self.paths = {}         # address -> path of its Device1
        self.indicated = []     # values, in hex
        self.table.handlers.setdefault(DEVICE1, self)
        self.table.bus.add_message_handler(self._signal)

    def path(self, address):
        return f"{self.peripheral.adapter.path}/dev_{address.replace(':', '_')}"

    def connect(self, address):
        plain = variants(Address=address, AddressType="public", Alias=address, Paired=False, Bonded=False, Trusted=False,
                         Blocked=False, LegacyPairing=False, Connected=True, ServicesResolved=False)
        self.table.add(self.path(address), {DEVICE1: {**plain, "UUIDs": Variant("as", [])}})

    def disconnect(self, address):
        self.table.set(self.path(address), DEVICE1, Connected=Variant("b", False))
        self.table.remove(self.path(address))

    def _find(self, uuid):
        for (client, _), objects in self.peripheral.applications.items():
            for path, interfaces in objects.items():
                if interfaces.get(CHARACTERISTIC1, {}).get("UUID", Variant("s", "")).value == uuid:
                    return client, path
        raise ValueError(f"no characteristic {uuid}")

    async def subscribe(self, uuid):
        client, path = self._find(uuid)
        await self.table.bus.call(Message(
            destination="org.freedesktop.DBus", path="/org/freedesktop/DBus", interface="org.freedesktop.DBus",
            member="AddMatch", signature="s", body=[f"type='signal',interface='{PROPERTIES}',path='{path}'"]))
        await self.peripheral.call(client, path, CHARACTERISTIC1, "StartNotify")

    async def write(self, address, uuid, value, mtu):
        """A write with response; the error's name if it is refused."""
        client, path = self._find(uuid)
        options = {"device": Variant("o", self.path(address)), "type": Variant("s", "request"), "mtu": Variant("q", mtu),
                   "link": Variant("s", "LE")}
        try:
            await self.peripheral.call(client, path, CHARACTERISTIC1, "WriteValue", "aya{sv}", [value, options])
        except DBusFail as error:
            return error.name
        return None

    def _signal(self, msg):
        if msg.message_type == MessageType.SIGNAL and msg.member == "PropertiesChanged" and msg.body[0] == CHARACTERISTIC1 \
                and "Value" in msg.body[1]:
            self.indicated.append(bytes(msg.body[1]["Value"].value).hex())
            # The central has confirmed.
            self.table.bus.send(Message(destination=msg.sender, path=msg.path, interface=CHARACTERISTIC1, member="Confirm"))
