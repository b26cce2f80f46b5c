"""The fake org.bluez with the simulated lock on it, for as long as the script runs."""
import subprocess

from .waiting import wait_for
from .workspace import REPOSITORY

WITH_FAKE_BLUEZ = REPOSITORY / "tests" / "rig" / "fake" / "with-fake-bluez"


class FakeBus:
    """with-fake-bluez around a `cat`, which says the bus address and ends when our end of its stdin closes."""

    def __init__(self, workspace, lock):
        said = workspace.dir / "bus-address"
        with open(said, "wb") as out:
            self.process = workspace.start(
                "fake-bluez", [WITH_FAKE_BLUEZ, "--radio", lock.radio, "sh", "-c",
                               'echo "$DBUS_SYSTEM_BUS_ADDRESS"; exec cat'], stdin=subprocess.PIPE, stdout=out)
        # The first run also makes the rig's Python, with pip.
        wait_for("the fake org.bluez", lambda: said.read_text().endswith("\n"), 180, alive=[self.process])
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": said.read_text().strip()}
