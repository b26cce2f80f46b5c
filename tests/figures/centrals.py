"""The two that are measured, behind the same few words: Keyturner's gateway, and pyNukiBT as its users drive it."""
import asyncio
import concurrent.futures
import os
import subprocess
import sys
import threading
import time

from kit.gateway import Gateway
from kit.peer import central, find
from kit.receiver import Receiver
from kit.simlock import NUKI_ID, PIN
from kit.waiting import expect

ACTIONS = {"unlock": 1, "lock": 2}      # numbers of the Bridge API and of the lock's own protocol, which agree here
USER_SECONDS = 8        # from the keypad to the user at most; then it is said that nobody was named


class Keyturner:
    """The gateway, asked by HTTP, telling by callback."""
    name = "keyturner"

    def __init__(self, workspace, bus, lock):
        self.workspace, self.bus, self.lock = workspace, bus, lock
        self.pairings = 0
        self.gateway, self.receiver = None, None

    def pair(self):
        """`keyturner pair`, into a directory of its own each time."""
        self.pairings += 1
        log = self.workspace.logs / "pair.log"
        data = self.workspace.dir / f"paired{self.pairings}"
        data.mkdir(mode=0o700)
        with open(log, "ab") as out:
            done = subprocess.run([self.workspace.keyturner, "pair", "--data", data, "--pin-file", self.lock.pin_file],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=90,
                                  env={**os.environ, **self.bus.env})
        expect(done.returncode == 0, f"`keyturner pair` exits 0, see {log}", done.returncode)

    def start(self):
        self.gateway = Gateway(self.workspace, self.bus)
        self.gateway.pair(self.lock)
        self.gateway.start()
        self.gateway.wait_first_state(NUKI_ID)
        self.receiver = Receiver(self.workspace)
        self.gateway.api.json("/callback/add", url=self.receiver.url())

    @property
    def alive(self):
        return [self.gateway.process] if self.gateway else []

    def act(self, action):
        """Returns when the lock has accepted; that is what `nowait` means here."""
        answer = self.gateway.api.json("/lockAction", nukiId=NUKI_ID, deviceType=4, action=ACTIONS[action], nowait=1)
        expect(answer["success"] is True, f"{action} succeeds", answer)

    def leave(self):
        """The gateway leaves by itself, two seconds after it has nothing to do any more."""

    def expect_visit(self):
        """It looks at the beacons by itself; when a user has been told of is for the receiver to say."""
        posts = len(self.receiver.posts)
        return lambda person: self.receiver.wait_post(
            f"user {person.name}", lambda body: body.get("userName") == person.name, since=posts, seconds=USER_SECONDS)

    def read_page(self):
        """It reads the log by itself when a beacon says so."""

    def forget_visits(self):
        pass

    def stop(self):
        if self.gateway:
            self.gateway.process.stop()


class PyNukiBT:
    """pyNukiBT and bleak's scanner, put together as the library is meant: a beacon that says "changed" leads to
    update_state(), a bolt at rest to the newest log entry. It acts at once and sleeps nowhere, which is
    more than its users' programs do."""
    name = "pyNukiBT"

    def __init__(self, workspace, bus, lock):
        self.workspace, self.bus, self.lock = workspace, bus, lock
        os.environ.update(bus.env)      # bleak reads it when it opens the bus
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)   # library and D-Bus live in it
        self.thread.start()
        self.scanner = None
        self.visit, self.watching = None, None
        self.alive = []
        # Before pairing mode begins, which ends after half a minute: importing takes its time, too.
        self.device = self._run(find(f"Nuki_{NUKI_ID:08X}"))
        self.nuki = central(self.device)

    def _run(self, coroutine, seconds=90):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    def pair(self):
        async def pair():
            self.nuki = central(self.device)
            await self.nuki.connect()       # pair() needs to know the kind of lock, which connect() finds out
            await self.nuki.pair()          # and disconnects
        self._run(pair())

    def start(self):
        async def start():
            from bleak import BleakScanner
            await self.nuki.update_state()      # and the configuration
            self.nuki.subscribe(lambda _command: self._look())
            self.scanner = BleakScanner(self._on_beacon)
            await self.scanner.start()
        self.lock.command("pairing on")
        self.pair()
        self._run(start())
        self.leave()

    def act(self, action):
        from pyNukiBT import NukiLockConst
        names = {"unlock": NukiLockConst.LockAction.UNLOCK, "lock": NukiLockConst.LockAction.LOCK}
        answer = self._run(self.nuki.lock_action(names[action]))
        expect(str(answer.status) in ("ACCEPTED", "COMPLETED"), f"{action} is accepted", answer)

    def leave(self):
        """Reads the state, which the lock wants before it takes "changed" out of its beacon, and disconnects."""
        async def leave():
            await self.nuki.update_state()
            await self.nuki.disconnect()
        if self.lock.command("state")["beacon_bit"]:
            self._run(leave())
        self._run(self.nuki.disconnect())       # which does nothing where no link is

    # ---- a visit, begun by a beacon --------------------------------------
    def expect_visit(self):
        """From now on beacons are followed; the answer waits until a user is known."""
        async def begin():
            self.visit = {"user": self.loop.create_future(), "newest": self.newest}
        self.newest = self.lock.log()[-1]["index"]
        self._run(begin())
        visit = self.visit

        def wait_user(person):
            code = self._run(asyncio.wait_for(asyncio.shield(visit["user"]), USER_SECONDS))
            expect(code == person.code_id, f"the entry has {person.name}'s code", code)
        return wait_user

    def forget_visits(self):
        """Beacons are of no interest."""
        async def end():
            self.visit = None
            if self.watching:
                await asyncio.wait({self.watching}, timeout=30)
        self._run(end())

    def _on_beacon(self, device, advertisement):
        self.nuki.parse_advertisement_data(device, advertisement)
        if self.nuki.poll_needed():
            self._look()

    def _look(self):
        if self.visit and not self.visit["user"].done() and (self.watching is None or self.watching.done()):
            self.watching = self.loop.create_task(self._watch(self.visit))
            self.watching.add_done_callback(_say_error)

    async def _watch(self, visit):
        """One look at the lock: its state if a beacon asks for it, then who it was if the bolt is at rest."""
        if self.nuki.poll_needed():
            await self.nuki.update_state()
        if str(self.nuki.last_state["lock_state"]).upper() in ("UNLOCKING", "LOCKING", "UNLATCHING"):
            return      # the lock tells by itself when it rests
        entries = await self.nuki.request_log_entries(int(PIN), count=1)
        if entries and entries[0]["index"] > visit["newest"] and str(entries[0]["type"]) == "KEYPAD_ACTION" \
                and not visit["user"].done():
            # The library reads no list of codes, so whose code it is remains to be found out.
            visit["user"].set_result(entries[0]["data"]["code_id"])

    def read_page(self):
        entries = self._run(self.nuki.request_log_entries(int(PIN), count=20))
        expect(len(entries) == 20, "a page of 20 entries", len(entries))

    def stop(self):
        self._run(self.scanner.stop())


def _say_error(task):
    if not task.cancelled() and task.exception():
        print(f"pyNukiBT: {task.exception()!r}", file=sys.stderr)
