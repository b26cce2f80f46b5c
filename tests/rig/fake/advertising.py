"""What BlueZ makes of advertising data: Device1 properties from AD structures."""
from uuid import UUID

from dbus_fast import Variant

BASE_UUID = "0000{:04x}-0000-1000-8000-00805f9b34fb"


def structures(data):
    """(type, value) of each AD structure; a zero length ends the data."""
    at = 0
    while at < len(data) and data[at]:
        end = at + 1 + data[at]
        if end > len(data):
            raise ValueError(f"AD structure at byte {at} runs past the end: {data.hex()}")
        yield data[at + 1], data[at + 2:end]
        at = end


def _uuids(kind, value):
    if kind in (0x02, 0x03):
        return [BASE_UUID.format(int.from_bytes(value[i:i + 2], "little")) for i in range(0, len(value), 2)]
    return [str(UUID(bytes=value[i:i + 16][::-1])) for i in range(0, len(value), 16)]


def properties(data, scan_response):
    """What a scanner learns. Keys that are absent were not advertised, which for BlueZ means: unchanged."""
    uuids, manufacturer, service_data, out = [], {}, {}, {}
    for kind, value in [*structures(data), *structures(scan_response)]:
        if kind in (0x02, 0x03, 0x06, 0x07):
            uuids += _uuids(kind, value)
        elif kind in (0x08, 0x09):
            out["Name"] = out["Alias"] = Variant("s", value.decode("utf-8", "replace"))
        elif kind == 0xFF:
            manufacturer[int.from_bytes(value[:2], "little")] = Variant("ay", value[2:])
        elif kind == 0x16:
            service_data[BASE_UUID.format(int.from_bytes(value[:2], "little"))] = Variant("ay", value[2:])
        elif kind == 0x21:
            service_data[str(UUID(bytes=value[:16][::-1]))] = Variant("ay", value[16:])
    if uuids:
        out["UUIDs"] = Variant("as", uuids)
    if manufacturer:
        out["ManufacturerData"] = Variant("a{qv}", manufacturer)
    if service_data:
        out["ServiceData"] = Variant("a{sv}", service_data)
    return out
