"""pyNukiBT in the guest: pairs with one lock over the real bluetoothd, and says what it reads as its last line, in JSON.

    central.py NAME ROLE PIN-FILE        (ROLE: BRIDGE or APP)
"""
import asyncio
import json
import pathlib
import sys

from bleak import BleakScanner
from nacl.public import PrivateKey
from pyNukiBT import NukiConst, NukiDevice

SECONDS = 60
APP_ID = 0x4B54


async def main(name, role, pin_file):
    pin, key = int(pathlib.Path(pin_file).read_text()), PrivateKey.generate()
    print("looking", flush=True)
    found = await BleakScanner.find_device_by_name(name, timeout=SECONDS)
    if found is None:
        sys.exit(f"{name} was not heard within {SECONDS} s")
    nuki = NukiDevice(found.address, None, None, bytes(key.public_key), bytes(key), APP_ID, "pyNukiBT",
                      client_type=getattr(NukiConst.NukiClientType, role), ble_device=found)
    await nuki.connect()        # pair() needs to know the kind of lock, which connect() finds out
    paired = await nuki.pair(security_pin=pin)
    await nuki.update_state()
    entries = await nuki.request_log_entries(pin, sort_order=1, count=1)
    print(json.dumps({"auth_id": int.from_bytes(paired["auth_id"], "little"), "nuki_id": nuki.config["nuki_id"],
                      "lock_state": str(nuki.last_state["lock_state"]).lower(),
                      "pin_is_right": await nuki.verify_security_pin(pin),
                      "log_index": entries[0]["index"], "code_id": entries[0]["data"]["code_id"]}))
    await nuki.disconnect()


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 5 * SECONDS))
