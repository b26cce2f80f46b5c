"""The D-Bus side of the fake: a table of objects, answered like BlueZ answers.

`objects` is path -> interface -> property -> Variant. Methods are found by
interface in `handlers`: a handler object has one coroutine per method, which
takes (sender, path, *arguments) and returns (signature, body) or None.
"""
import asyncio
import sys
import time
import traceback

from dbus_fast import Message, MessageType, Variant

PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
DBUS = "org.freedesktop.DBus"


class DBusFail(Exception):
    def __init__(self, name, text=""):
        super().__init__(name, text)
        self.name, self.text = name, text


class Faults:
    """What is to go wrong with the next calls, by member; a property is "Get Powered" or "Set Powered"."""

    def __init__(self):
        self.planned = {}       # member -> [error name or None for never an answer, text, times]
        self.calls = {}         # member -> how often it was called

    def plan(self, member, error, text, times):
        self.planned[member] = [error, text, times]

    async def meet(self, msg):
        member = msg.member
        if msg.interface == PROPERTIES and len(msg.body) > 1:
            member = f"{member} {msg.body[1]}"
        self.calls[member] = self.calls.get(member, 0) + 1
        planned = self.planned.get(member)
        if planned is None:
            return
        error, text, times = planned
        planned[2] -= 1
        if times == 1:
            del self.planned[member]
        if error is None:
            await asyncio.Event().wait()
        raise DBusFail(error, text)


class ObjectTable:
    def __init__(self, record):
        self.record = record
        self.bus = None         # None while bluetoothd does not run
        self.objects = {}
        self.faults = Faults()
        self.handlers = {}      # interface -> handler, or a list of those that answer below their own `path` each
        self.writable = {}      # (interface, property) -> coroutine(path, value) that carries a Set out
        self.on_client_gone = []    # called with the unique name of a client that left the bus
        self._tasks = set()

    async def start(self, bus):
        """Answers on this bus from now on."""
        self.bus = bus
        bus.add_message_handler(self._on_message)
        await bus.call(Message(destination=DBUS, path="/org/freedesktop/DBus", interface=DBUS, member="AddMatch",
                                    signature="s", body=[f"type='signal',sender='{DBUS}',member='NameOwnerChanged'"]))

    # ---- signals --------------------------------------------------------
    def signal(self, path, interface, member, signature, body):
        if self.bus is not None:
            self.bus.send(Message.new_signal(path, interface, member, signature, body))

    def add(self, path, interfaces):
        self.objects[path] = interfaces
        self.signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

    def remove(self, path):
        """The object and everything below it, deepest first."""
        for p in sorted((p for p in self.objects if p == path or p.startswith(path + "/")), reverse=True):
            self.signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [p, list(self.objects.pop(p))])

    def set(self, path, interface, **values):
        self.objects[path][interface].update(values)
        self.signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, values, []])

    def invalidate(self, path, interface, name):
        """The property ceases to exist."""
        if self.objects[path][interface].pop(name, None):
            self.signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, {}, [name]])

    # ---- method calls ---------------------------------------------------
    def _on_message(self, msg):
        if msg.message_type == MessageType.SIGNAL and msg.member == "NameOwnerChanged":
            name, _old, new = msg.body
            if name.startswith(":") and not new:
                for gone in self.on_client_gone:
                    gone(name)
            return None
        if msg.message_type != MessageType.METHOD_CALL:
            return None
        if msg.interface in ("org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Introspectable"):
            return None     # dbus-fast answers these
        task = asyncio.get_running_loop().create_task(self._answer(msg, time.monotonic()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, msg, asked):
        bus = self.bus
        try:
            await self.faults.meet(msg)
            signature, body = await self._call(msg) or ("", [])
            answer = Message.new_method_return(msg, signature, body)
        except DBusFail as e:
            answer = Message.new_error(msg, e.name, e.text)
        except Exception as e:      # a mistake in the fake: say so on both sides
            traceback.print_exc(file=sys.stderr)
            answer = Message.new_error(msg, f"{DBUS}.Error.Failed", f"the fake org.bluez has a fault: {e!r}")
        if bus is self.bus:     # else bluetoothd has gone meanwhile, and its answers with it
            bus.send(answer)
            self.record.note("call", member=msg.member, seconds=time.monotonic() - asked)

    async def _call(self, msg):
        path, interface, member, args = msg.path, msg.interface, msg.member, msg.body
        if (interface, member) == (OBJECT_MANAGER, "GetManagedObjects") and path == "/":
            return "a{oa{sa{sv}}}", [self.objects]
        if path not in self.objects:
            raise DBusFail(f"{DBUS}.Error.UnknownObject",
                           f'Method "{member}" with signature "{msg.signature}" on interface "{interface}" doesn\'t exist')
        if interface == PROPERTIES:
            return await self._properties(path, member, *args)
        method = getattr(self._handler(interface, path), member or "", None)
        if method is None or interface not in self.objects[path]:
            raise DBusFail(f"{DBUS}.Error.UnknownMethod",
                           f'Method "{member}" with signature "{msg.signature}" on interface "{interface}" doesn\'t exist')
        return await method(msg.sender, path, *args)

    def _handler(self, interface, path):
        handler = self.handlers.get(interface)
        if isinstance(handler, list):
            return next((each for each in handler if path.startswith(each.path)), handler[0])
        return handler

    async def _properties(self, path, member, interface, name=None, value=None):
        table = self.objects[path].get(interface)
        if table is None:
            raise DBusFail(f"{DBUS}.Error.InvalidArgs", f"No such interface '{interface}'")
        if member == "GetAll":
            return "a{sv}", [table]
        if name not in table:      # bluer turns exactly this error into None
            raise DBusFail(f"{DBUS}.Error.InvalidArgs", f"No such property '{name}'")
        if member == "Get":
            return "v", [table[name]]
        carry_out = self.writable.get((interface, name))
        if carry_out is None:
            raise DBusFail(f"{DBUS}.Error.PropertyReadOnly", f"Property '{name}' is not writable")
        await carry_out(path, value)
        return None


def variants(**values):
    """Properties of the types that need no thought: text, truth."""
    return {k: v if isinstance(v, Variant) else Variant("b" if isinstance(v, bool) else "s", v) for k, v in values.items()}
