"""The processes on the bus: dbus-daemon itself, and the one behind the name org.bluez. They run, are killed, run again."""
import asyncio
import pathlib

from dbus_fast.aio import MessageBus

NAME = "org.bluez"


class Bus:
    """A dbus-daemon of our own, on the socket that its configuration names."""

    def __init__(self, address, config):
        self.socket, self.config, self.process = pathlib.Path(address.removeprefix("unix:path=")), config, None

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            "dbus-daemon", f"--config-file={self.config}", "--nofork", "--nopidfile")
        async with asyncio.timeout(10):
            while not await self._listens():
                await asyncio.sleep(0.01)

    async def _listens(self):
        try:
            _reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:     # not there yet, or bound and not listening yet
            return False
        writer.close()
        return True

    async def stop(self):
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        self.socket.unlink(missing_ok=True)


class Bluetoothd:
    def __init__(self, address, table, adapter):
        self.address, self.table, self.adapter = address, table, adapter
        self._ended = asyncio.Event()       # the bus itself has gone

    async def start(self):
        bus = await MessageBus(bus_address=self.address).connect()
        await self.table.start(bus)
        await bus.request_name(NAME)
        asyncio.get_running_loop().create_task(self._watch(bus))

    async def _watch(self, bus):
        try:
            await bus.wait_for_disconnect()
        except Exception:       # dbus-fast gives on whatever ended the connection
            pass
        if bus is self.table.bus:
            self._ended.set()

    async def bus_gone(self):
        await self._ended.wait()

    def kill(self):
        """It leaves the bus without a word: no signal, no answer to what is under way."""
        bus, self.table.bus = self.table.bus, None
        if self.adapter.path is not None:
            self.adapter.unplug()
        bus.disconnect()

    async def run_again(self):
        self.adapter.plug("hci0")
        await self.start()
