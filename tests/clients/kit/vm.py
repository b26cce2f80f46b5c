"""The VM of tests/rig: simulated locks on its air, commands in it, files shared with it."""
import pathlib
import shlex
import shutil

from .gateway import free_port
from .waiting import expect, wait_for

TESTS = pathlib.Path(__file__).resolve().parents[2]
RIG = TESTS / "rig"
HOST_SEEN_FROM_GUEST = "10.0.2.2"
BUILD = 900     # seconds that the first run may need to build the VM
SLOW = 180      # seconds: without KVM the guest is some twenty times slower than the host
LIFE = 1200     # seconds after which a VM is given up

BLUETOOTHD = "/usr/libexec/bluetooth/bluetoothd -n > /share/logs/bluetoothd.log 2>&1 &"


class Radio:
    """The locks' radios and the controller of the VM, in one process."""

    def __init__(self, workspace, locks, mtus=None):
        """`mtus` has, for a lock's name, the largest ATT_MTU that it agrees to."""
        self.hci = workspace.dir / "hci.sock"
        options = []
        for lock in locks:
            mtu = (mtus or {}).get(lock.name)
            options += ["--lock", lock.radio if mtu is None else f"{lock.radio},mtu={mtu}"]
        self.process = workspace.start("radio", [RIG / "py", RIG / "sim" / "radio.py", "--hci", self.hci, *options])
        wait_for("the radio is ready", lambda: "ready\n" in self.process.log_path.read_text(), SLOW, alive=[self.process])


class Guest:
    """A booted VM. `dir` of the host is /share in the guest."""

    def __init__(self, workspace, radio, suite, bluetoothd_args=""):
        self.dir = workspace.dir / "share"
        for name in ("todo", "done", "logs"):
            (self.dir / name).mkdir(parents=True)
        shutil.copy(workspace.keyturner, self.dir / "keyturner")
        shutil.copy(TESTS / "vm" / "guest", self.dir / "guest")
        self.port, self._jobs = free_port(), 0
        options = ["--suite", suite, "--timeout", LIFE, "--rundir", workspace.dir / "vm", "--share", self.dir,
                   "--controller", radio.hci, "--hostfwd", f"{self.port}:8080", "--host-access"]
        if bluetoothd_args:
            options += ["--bluetoothd-args", bluetoothd_args]
        self.process = workspace.start("vm", [RIG / "run", *options, "--", "/share/guest"])
        self._alive = [self.process, radio.process]
        self.run("true", seconds=BUILD + SLOW)

    def begin(self, command):
        """Has a command run by the guest's shell; returns at once."""
        self._jobs += 1
        job = Job(self.dir, f"{self._jobs:03}", command, self._alive)
        new = self.dir / "new-job"
        new.write_text(command + "\n")
        new.rename(self.dir / "todo" / f"{job.name}.sh")
        return job

    def run(self, command, seconds=SLOW):
        """What a command said that must succeed."""
        return self.begin(command).wait(seconds)

    def put(self, name, text, mode=0o600):
        """A file of the guest in /root."""
        (self.dir / name).write_text(text)
        self.run(f"cp /share/{name} /root/{name} && chmod {mode:o} /root/{name}")
        (self.dir / name).unlink()

    def stop(self):
        (self.dir / "stop").touch()
        code = self.process.popen.wait(SLOW)
        expect(code == 0, f"the VM ends with exit code 0, see {self.process.log_path}", code)


class Job:
    def __init__(self, share, name, command, alive):
        self.name, self._command, self._alive = name, command, alive
        self._out, self._rc = share / "done" / f"{name}.out", share / "done" / f"{name}.rc"

    def said(self):
        """What it has said so far."""
        return self._out.read_text(errors="replace") if self._out.exists() else ""

    def wait(self, seconds=SLOW):
        wait_for(f"the guest has run `{self._command}`", self._rc.exists, seconds, alive=self._alive)
        code = self._rc.read_text().strip()
        expect(code == "0", f"the guest's `{self._command}` exits 0", code, self.said())
        return self.said()


class GuestGateway:
    """`keyturner` in the guest, with its data in /root/data."""

    # Not on /share: SQLite's WAL needs shared memory, which 9p has not.
    DATA = "/root/data"

    def __init__(self, guest):
        self.guest = guest
        guest.run(f"mkdir -m 700 {self.DATA}")
        # The host asks from outside, with plain tokens.
        guest.put("keyturner.toml", 'plain_tokens = "always"\n')

    def command(self, *words):
        return " ".join(["/share/keyturner", *map(shlex.quote, words), "--data", self.DATA])

    def run(self, *words, seconds=SLOW):
        return self.guest.run(self.command(*words), seconds)

    def start(self):
        self.guest.run(f"{self.command('run', '--config', '/root/keyturner.toml', '--listen', '0.0.0.0:8080')} "
                       "> /share/logs/run.log 2>&1 & echo $! > /run/keyturner.pid")

    def stop(self):
        """TERM; the database as it is then, in the shared directory."""
        self.guest.run("pid=$(cat /run/keyturner.pid); kill -TERM $pid; while kill -0 $pid 2>/dev/null; do usleep 50000; done")
        self.guest.run(f"cp {self.DATA}/keyturner.db* /share/")
        return self.guest.dir / "keyturner.db"
