"""What happens between a central and the lock, one JSON object a line.

    {"at": 81273.402, "what": "write", "characteristic": ..., "bytes": 56}

`at` is the host's monotonic clock in seconds, which every process here shares. No value is written down, only how long it is.

    connect          a client called Connect
    answered         an advertisement was answered, the link layers begin
    connected        BlueZ says so
    discovery        services are discovered in full
    resolved         ServicesResolved
    cccd             a client configuration was written; "on"
    write            a client called WriteValue; "round_trips" on the air
    written          and has its answer
    indication       a value arrived at the central
    disconnected     the link is down
    call             a client has its answer; "member", and for how many "seconds" it was in here
"""
import json
import time


class Record:
    def __init__(self, path=None):
        self._file = open(path, "w", buffering=1) if path else None

    def note(self, what, **fields):
        if self._file:
            self._file.write(json.dumps({"at": time.monotonic(), "what": what, **fields}) + "\n")
