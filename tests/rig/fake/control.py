"""What is to go wrong with the fake org.bluez: one JSON object a line, one JSON answer.

    {"do": "fail", "member": "Connect", "error": "org.bluez.Error.InProgress", "text": "", "times": 1}
    {"do": "hang", "member": "WriteValue", "times": 1}      the call gets no answer, ever
    {"do": "power", "on": false}                            by somebody's hand
    {"do": "unplug"}   {"do": "plug", "name": "hci1"}
    {"do": "spare", "name": "hci1", "there": true}          a second adapter that hears nothing
    {"do": "kill"}     {"do": "start"}                      bluetoothd
    {"do": "bus_stop"} {"do": "bus_start"}                  the bus itself, and bluetoothd with it
    {"do": "forget"}                                        the device's object is removed
    {"do": "forget_services"}                               the table of services that was kept of the last link
    {"do": "renumber"}                                      the lock's next link has another table: each handle is greater
    {"do": "drop"}                                          the link is lost
    {"do": "stop_discovery"}                                BlueZ stops scanning by itself
    {"do": "calls"}                                         {"calls": {member: count}}
    {"do": "advertised"}                                    {"at": when last, by the host's monotonic clock}
    {"do": "seen"}                                          what a client advertises and serves on the adapter
    {"do": "lose", "interface": "org.bluez.GattManager1"}   this bluetoothd never had it
    {"do": "central", "address": "..", "on": true}          a central connects to the adapter, or leaves
    {"do": "central_subscribes", "characteristic": uuid}
    {"do": "central_writes", "address": "..", "characteristic": uuid, "value": hex, "mtu": 23}   {"error": name or null}
    {"do": "central_heard"}                                 {"indicated": [hex]}

A member of Properties is "Get Powered", "Set Powered" and the like.
"""
import asyncio
import json


async def serve_control(path, daemon, bus):
    async def talk(reader, writer):
        while line := await reader.readline():
            try:
                answer = {"ok": True, **(await carry_out(daemon, bus, json.loads(line)) or {})}
            except (ValueError, KeyError, TypeError) as error:
                answer = {"ok": False, "error": f"{error!r} in {line!r}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()
    return await asyncio.start_unix_server(talk, path)


async def carry_out(daemon, bus, order):
    table, adapter = daemon.table, daemon.adapter
    match order:
        case {"do": "fail", "member": member, "error": error, "times": times}:
            table.faults.plan(member, error, order.get("text", ""), times)
        case {"do": "hang", "member": member, "times": times}:
            table.faults.plan(member, None, "", times)
        case {"do": "power", "on": on}:
            adapter.switch(on)
        case {"do": "unplug"}:
            adapter.unplug()
        case {"do": "plug", "name": name}:
            adapter.plug(name)
        case {"do": "spare", "name": name, "there": there}:
            adapter.spare(name, there)
        case {"do": "kill"}:
            daemon.kill()
        case {"do": "start"}:
            await daemon.run_again()
        case {"do": "bus_stop"}:
            daemon.kill()
            await bus.stop()
        case {"do": "bus_start"}:
            await bus.start()
            await daemon.run_again()
        case {"do": "forget"}:
            for device in adapter.devices:
                device.remove()
        case {"do": "forget_services"}:
            for device in adapter.devices:
                device.gatt.is_cached = False
        case {"do": "renumber"}:
            for device in adapter.devices:
                device.gatt.first_handle += 3
        case {"do": "drop"}:
            for device in adapter.devices:
                device.lost(8)
        case {"do": "stop_discovery"}:
            adapter.stop_discovery()
        case {"do": "calls"}:
            return {"calls": table.faults.calls}
        case {"do": "advertised"}:
            return {"at": max(device.sent_at for device in adapter.devices)}
        case {"do": "seen"}:
            return adapter.peripheral.seen()
        case {"do": "lose", "interface": interface}:
            adapter.peripheral.lose(interface)
        case {"do": "central", "address": address, "on": True}:
            adapter.peripheral.connect(address)
        case {"do": "central", "address": address}:
            adapter.peripheral.central.disconnect(address)
        case {"do": "central_subscribes", "characteristic": uuid}:
            await adapter.peripheral.central.subscribe(uuid)
        case {"do": "central_writes", "address": address, "characteristic": uuid, "value": value, "mtu": mtu}:
            return {"error": await adapter.peripheral.central.write(address, uuid, bytes.fromhex(value), mtu)}
        case {"do": "central_heard"}:
            return {"indicated": adapter.peripheral.central.indicated}
        case _:
            raise ValueError("not understood")
    return None
