"""A simulated lock: the process `keyturner sim` and its control socket."""
import dataclasses
import json
import socket

from . import leaks
from .waiting import wait_for

PIN = "1234"
ULTRA_PIN = "123456"
NUKI_ID = 0x0A1B2C3D


@dataclasses.dataclass(frozen=True)
class Person:
    name: str
    code_id: int
    digits: str


# As the simulated lock is delivered.
ANNA = Person("Anna", 1, "583921")
BEN = Person("Ben", 2, "746352")
WRONG_DIGITS = "918273"

leaks.keep(PIN, ULTRA_PIN, ANNA.digits, BEN.digits, WRONG_DIGITS)


class Lock:
    """A simulated lock at whose control socket one can ask: `_exchange(line)` gives the answer's line."""
    name, alive = "sim", ()

    def ask(self, line):
        """One command, one JSON answer; a command that makes no sense is an error."""
        raw = self._exchange(line)
        if not raw:
            raise AssertionError(f"the simulated lock did not answer {line!r}")
        answer = json.loads(raw)
        if answer.get("ok") is not True:
            raise AssertionError(f"the simulated lock did not understand {line!r}: {answer}")
        return answer

    def command(self, line):
        """One command that the lock must also carry out."""
        answer = self.ask(line)
        if "refused" in answer:
            raise AssertionError(f"the simulated lock refused {line!r}: {answer}")
        return answer

    def type_wrong_code(self):
        answer = self.ask(f"keypad {WRONG_DIGITS}")
        if "refused" not in answer:
            raise AssertionError(f"the simulated lock took a wrong code: {answer}")

    def state(self):
        """The name of the lock state: locked, unlocking, unlocked ..."""
        return self.command("state")["lock_state"]

    def log(self):
        """The lock's own log, oldest entry first."""
        return sorted(self.command("log")["entries"], key=lambda entry: entry["index"])

    def wait_state(self, state, seconds=30):
        wait_for(f"the simulated lock `{self.name}` is {state}", lambda: self.state() == state, seconds, interval=0.02, alive=self.alive)


class SimLock(Lock):
    def __init__(self, workspace, *options, name="sim", device="smart-lock-3", nuki_id=NUKI_ID):
        self.name, self.device, self.nuki_id = name, device, nuki_id
        self.pin = ULTRA_PIN if device == "ultra" else PIN
        self.radio, self.control = workspace.dir / f"{name}-radio.sock", workspace.dir / f"{name}-control.sock"
        self.process = workspace.start(name, [workspace.keyturner, "sim", "--radio", self.radio, "--control", self.control,
                                              "--device", device, "--nuki-id", f"{nuki_id:08X}", *options])
        self.alive = [self.process]
        wait_for("the simulated lock's sockets", lambda: self.radio.exists() and self._answers(), 30, alive=[self.process])
        self.pin_file = workspace.dir / f"{name}-pin"
        self.pin_file.write_text(self.pin + "\n")
        self.pin_file.chmod(0o600)

    def _answers(self):
        try:
            return self.command("state")
        except OSError:
            return None

    def _exchange(self, line):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(15)
            connection.connect(str(self.control))
            connection.sendall(line.encode() + b"\n")
            with connection.makefile("rb") as answers:
                return answers.readline()
