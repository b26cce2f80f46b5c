"""pyNukiBT, an independent central, with unmodified bleak."""
from .waiting import expect

APP_ID = 0x4B54
NAME = "pyNukiBT"


async def find(name, seconds=60):
    from bleak import BleakScanner
    device = await BleakScanner.find_device_by_name(name, timeout=seconds)
    expect(device is not None, f"{name} is on the air")
    return device


def central(device):
    """A bridge that is not paired yet."""
    from nacl.public import PrivateKey
    from pyNukiBT import NukiConst, NukiDevice
    key = PrivateKey.generate()
    return NukiDevice(device.address, None, None, bytes(key.public_key), bytes(key), APP_ID, NAME,
                      client_type=NukiConst.NukiClientType.BRIDGE, ble_device=device)
