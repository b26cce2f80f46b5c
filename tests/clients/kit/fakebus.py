"""The fake org.bluez with the simulated locks on it, for as long as the script runs."""
import json
import socket
import subprocess

from .waiting import wait_for
from .workspace import REPOSITORY

WITH_FAKE_BLUEZ = REPOSITORY / "tests" / "rig" / "fake" / "with-fake-bluez"


class FakeBus:
    """with-fake-bluez around a `cat`, which says the bus address and ends when our end of its stdin closes."""

    def __init__(self, workspace, lock, *options):
        """`options` are those of with-fake-bluez, such as a connection interval, or the radio of another lock."""
        self.control, self.record = workspace.dir / "bluez.sock", workspace.dir / "radio-record"
        said = workspace.dir / "bus-address"
        with open(said, "wb") as out:
            self.process = workspace.start(
                "fake-bluez", [WITH_FAKE_BLUEZ, "--radio", lock.radio, "--control", self.control, "--record", self.record,
                               *options, "sh", "-c", 'echo "$DBUS_SYSTEM_BUS_ADDRESS"; exec cat'], stdin=subprocess.PIPE, stdout=out)
        # The first run also makes the rig's Python, with pip.
        wait_for("the fake org.bluez", lambda: said.read_text().endswith("\n"), 180, alive=[self.process])
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": said.read_text().strip()}

    def order(self, what, **more):
        """Something that is to happen to BlueZ; tests/rig/fake/control.py has the list."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(15)
            connection.connect(str(self.control))
            connection.sendall(json.dumps({"do": what, **more}).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        if not answer["ok"]:
            raise AssertionError(f"the fake org.bluez did not do {what}: {answer}")
        return answer
