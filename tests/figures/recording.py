"""What the fake org.bluez has written down (tests/rig/fake/record.py), and sums over it."""
import dataclasses
import json
import time

from kit.waiting import wait_for


@dataclasses.dataclass(frozen=True)
class Counts:
    """What went over the air between two moments. Bytes are those of values, without ATT's and the link layer's headers."""
    connections: int
    cccd_writes: int
    writes: int
    indications: int
    bytes_out: int
    bytes_in: int


def count(entries):
    def of(what):
        return [entry for entry in entries if entry["what"] == what]
    return Counts(connections=len(of("connected")), cccd_writes=len(of("cccd")), writes=len(of("write")),
                  indications=len(of("indication")), bytes_out=sum(entry["bytes"] for entry in of("write")),
                  bytes_in=sum(entry["bytes"] for entry in of("indication")))


class Recording:
    def __init__(self, path):
        self._file, self._rest, self._entries = open(path, "rb"), b"", []

    def _read(self):
        """Each line once: houses stand side by side, and whoever polls must not disturb the others."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        self._entries += map(json.loads, lines)
        return self._entries

    def end(self):
        """A mark: everything that is written down later comes behind it."""
        return len(self._read())

    def since(self, mark):
        return self._read()[mark:]

    def is_up(self):
        """Whether a link is up, or being made."""
        whats = (entry["what"] for entry in reversed(self._read()))
        return next((what for what in whats if what in ("connect", "disconnected")), "disconnected") != "disconnected"

    def wait_for(self, what, mark, alive, seconds=60, number=1):
        """The so manieth entry of a kind behind a mark."""
        def found():
            entries = [entry for entry in self.since(mark) if entry["what"] == what]
            return entries[number - 1] if len(entries) >= number else None
        return wait_for(f"{number} x {what}", found, seconds, interval=0.02, alive=alive)

    def wait_down(self, alive, seconds=60):
        wait_for("the link is down", lambda: not self.is_up(), seconds, interval=0.05, alive=alive)

    def wait_quiet(self, quiet, since, alive, seconds=60):
        """Until nothing has happened for so many seconds; what lies before `since` is no quiet."""
        def is_quiet():
            air = (entry["at"] for entry in reversed(self._read()) if entry["what"] != "call")
            last = max(since, next(air, since))
            return time.monotonic() - last > quiet
        wait_for(f"nothing on the air for {quiet} s", is_quiet, seconds, interval=0.02, alive=alive)
