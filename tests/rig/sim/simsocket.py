"""The radio's end of the sim socket: JSON lines to and from a simulated lock.

The lock (`keyturner sim --radio PATH`) listens; one radio connects and says
what happens on the air. The messages are listed in ../README.md.
"""
import asyncio
import json


class SimSocketError(Exception):
    """The lock went away, or said something that is not in the protocol."""


class SimSocket:
    def __init__(self, path, reader, writer):
        self.path, self._reader, self._writer = path, reader, writer

    @classmethod
    async def connect(cls, path, seconds=10.0):
        """The lock may be starting at this moment: try until `seconds` have passed."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return cls(path, *await asyncio.open_unix_connection(path))
            except OSError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise SimSocketError(f"no simulated lock listens on {path} ({error.strerror}); "
                                         f"start `keyturner sim --radio {path} --control ...` first") from error
                await asyncio.sleep(0.05)

    def send(self, kind, **fields):
        self._writer.write(json.dumps({"type": kind, **fields}).encode() + b"\n")

    async def receive(self):
        """The next message, or None when the lock has closed the socket."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        if not line:
            return None
        try:
            message = json.loads(line)
            message["type"]
        except (ValueError, TypeError, KeyError) as error:
            raise SimSocketError(f"{self.path}: not a message of the sim socket: {line!r}") from error
        return message

    async def hello(self):
        message = await self.receive()
        if message is None or message["type"] != "hello":
            raise SimSocketError(f"{self.path}: the lock must begin with hello, it said {message}")
        return message

    def close(self):
        self._writer.close()
