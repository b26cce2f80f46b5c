"""The VM of tests/rig: simulated locks on its air, commands in it, files shared with it."""
import pathlib
import shlex
import shutil

from .gateway import HttpApi, free_port
from .simlock import Lock
from .waiting import expect, wait_for

TESTS = pathlib.Path(__file__).resolve().parents[2]
RIG = TESTS / "rig"
HOST_SEEN_FROM_GUEST = "10.0.2.2"
BUILD = 900     # seconds that the first run may need to build the VM
SLOW = 180      # seconds: without KVM the guest is some twenty times slower than the host
LIFE = 1200     # seconds after which a VM is given up

BLUETOOTHD = "/usr/libexec/bluetooth/bluetoothd -n > /share/logs/bluetoothd.log 2>&1 &"


class Air:
    """Programs on the host that are the VM's Bluetooth: `controllers` are the sockets of its adapters."""

    def __init__(self, workspace, script, controllers, options=()):
        self.controllers = controllers
        hci = [part for controller in controllers for part in ("--hci", controller)]
        self.process = workspace.start("radio", [RIG / "py", RIG / "sim" / script, *hci, *options])
        wait_for("the radio is ready", lambda: "ready\n" in self.process.log_path.read_text(), SLOW, alive=[self.process])


class Radio(Air):
    """The locks' radios and one adapter."""

    def __init__(self, workspace, locks, mtus=None):
        """`mtus` has, for a lock's name, the largest ATT_MTU that it agrees to."""
        options = []
        for lock in locks:
            mtu = (mtus or {}).get(lock.name)
            options += ["--lock", lock.radio if mtu is None else f"{lock.radio},mtu={mtu}"]
        super().__init__(workspace, "radio.py", [workspace.dir / "hci.sock"], options)


class Adapters(Air):
    """So many adapters, and nothing else on the air."""

    def __init__(self, workspace, number):
        super().__init__(workspace, "air.py", [workspace.dir / f"hci{n}.sock" for n in range(number)])


class Guest:
    """A booted VM. `dir` of the host is /share in the guest."""

    def __init__(self, workspace, air, suite, options=(), files=None):
        """`options` are more of those of tests/rig/run; `files` are in /share when bluetoothd starts."""
        self.dir = workspace.dir / "share"
        for name in ("todo", "done", "logs"):
            (self.dir / name).mkdir(parents=True)
        shutil.copy(workspace.keyturner, self.dir / "keyturner")
        for program in ("guest", "ask_lock.py", "central.py"):
            shutil.copy(TESTS / "vm" / program, self.dir / program)
        for name, text in (files or {}).items():
            (self.dir / name).write_text(text)
        self.port, self._jobs = free_port(), 0
        controllers = [part for controller in air.controllers for part in ("--controller", controller)]
        self.process = workspace.start("vm", [
            RIG / "run", "--suite", suite, "--timeout", LIFE, "--rundir", workspace.dir / "vm", "--share", self.dir, *controllers,
            "--hostfwd", f"{self.port}:8080", "--host-access", *options, "--", "/share/guest"])
        self.alive = [self.process, air.process]
        self.run("true", seconds=BUILD + SLOW)

    def begin(self, command):
        """Has a command run by the guest's shell; returns at once."""
        self._jobs += 1
        job = Job(self.dir, f"{self._jobs:03}", command, self.alive)
        new = self.dir / "new-job"
        new.write_text(command + "\n")
        new.rename(self.dir / "todo" / f"{job.name}.sh")
        return job

    def run(self, command, seconds=SLOW):
        """What a command said that must succeed."""
        return self.begin(command).wait(seconds)

    def start(self, name, command):
        """A program that goes on running; what it says is in logs/NAME.log."""
        self.run(f"({command} > /share/logs/{name}.log 2>&1 & echo $! > /run/{name}.pid; "
                 f"wait $!; echo $? > /run/{name}.rc) > /dev/null 2>&1 &")

    def end(self, name):
        """TERM, after which it must end with exit code 0."""
        self.run(f"kill -TERM $(cat /run/{name}.pid); until [ -e /run/{name}.rc ]; do usleep 50000; done; exit $(cat /run/{name}.rc)")

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

    def start(self, *options):
        self.guest.start("run", self.command("run", "--config", "/root/keyturner.toml", "--listen", "0.0.0.0:8080", *options))

    def api(self):
        """Its HTTP API, as soon as it answers."""
        api = HttpApi(self.guest.port, self.run("token").strip())
        wait_for("the gateway answers GET /list", api.is_up, SLOW, alive=self.guest.alive)
        return api

    def stop(self):
        """TERM; the database as it is then, in the shared directory."""
        self.guest.end("run")
        self.guest.run(f"cp {self.DATA}/keyturner.db* /share/")
        return self.guest.dir / "keyturner.db"


class LockInGuest(Lock):
    """A simulated lock that `keyturner sim` serves on an adapter of the guest."""
    CONTROL = "/root/control.sock"

    def __init__(self, guest, adapter):
        self.guest, self.alive, self.log_path = guest, guest.alive, guest.dir / "logs" / "sim.log"
        guest.start("sim", f"KEYTURNER_LOG=keyturner=info /share/keyturner sim --adapter {adapter} --control {self.CONTROL}")
        wait_for("the lock is on the air", lambda: self.log_path.exists() and "on the air" in self.log_path.read_text(), SLOW,
                 alive=self.alive)

    def _exchange(self, line):
        return self.guest.run(f"python3 /share/ask_lock.py {self.CONTROL} {shlex.quote(line)}")
