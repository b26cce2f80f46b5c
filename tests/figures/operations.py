"""What is measured: one function per operation. Each returns a Sample."""
import dataclasses
import random
import time

from kit.simlock import ANNA
from kit.waiting import NotInTime, wait_for
from recording import Counts, count

MOTOR_SECONDS = 1.5     # of the simulated lock; checked once for each
ADVERTISING_SECONDS = 0.3   # as it asks of its radio
LOG_PAGE = 20
GOLDEN_RATIO = 0.618034


@dataclasses.dataclass(frozen=True)
class Sample:
    operation: str
    seconds: float | None   # see each operation for what lies between; None: what it waits for did not come
    counts: Counts      # until then


class House:
    """A lock, the fake org.bluez and one central."""

    def __init__(self, lock, bus, recording, central, interval_ms):
        self.lock, self.bus, self.recording, self.central = lock, bus, recording, central
        self.interval = (interval_ms or 0) / 1000
        self.phase = random.random()

    def counts(self, mark, until):
        return count([entry for entry in self.recording.since(mark) if entry["at"] <= until])

    def any_moment(self):
        """People come at any moment between two advertisements, and at each as often: the golden ratio spreads them
        evenly, so that a few rounds show what many would."""
        self.phase = (self.phase + GOLDEN_RATIO) % 1
        due = self.bus.order("advertised")["at"] + self.phase * ADVERTISING_SECONDS
        while due < time.monotonic():
            due += ADVERTISING_SECONDS
        time.sleep(due - time.monotonic())

    def at_rest(self):
        """The motor stands, and nothing has been said for longer than any step takes."""
        wait_for("the bolt is at rest", lambda: self.lock.state() in ("locked", "unlocked"), 30, interval=0.05)
        # What the lock says about its rest is on its way.
        self.recording.wait_quiet(0.3 + 6 * self.interval, time.monotonic(), self.central.alive)

    def alone(self):
        """Without a link, without anything to tell, and heard so by whoever listens: bleak is told of changes alone."""
        self.at_rest()
        self.central.leave()
        self.recording.wait_down(self.central.alive)
        time.sleep(2 * ADVERTISING_SECONDS)


def pairing(house):
    """From the advertisement that was answered to the last word of the lock; services are not known. Finding the lock
    and waiting until it advertises are not in it."""
    house.bus.order("forget_services")
    house.lock.command("pairing on")
    mark = house.recording.end()
    house.central.pair()
    house.recording.wait_down(house.central.alive)
    entries = house.recording.since(mark)
    first = next(entry["at"] for entry in entries if entry["what"] == "answered")
    link_end = next(entry["at"] for entry in entries if entry["what"] == "disconnected")
    last = max(entry["at"] for entry in entries if entry["what"] == "indication" and entry["at"] < link_end)
    return Sample("pairing", last - first, house.counts(mark, last))


def _act(house, operation, action):
    mark, started = house.recording.end(), time.monotonic()
    house.central.act(action)
    ended = time.monotonic()
    return Sample(operation, ended - started, house.counts(mark, ended))


def action_cold(house):
    """From the client's request to its answer, which comes when the lock has accepted. Not connected, services known."""
    house.alone()
    house.any_moment()
    return _act(house, "action, cold", "unlock")


def action_first(house):
    """The same with a lock whose services BlueZ does not know: a first connection."""
    house.alone()
    house.bus.order("forget_services")
    house.any_moment()
    return _act(house, "action, first connection", "unlock")


def action_linked(house):
    """The same on the link that is left over from the action before."""
    house.at_rest()
    house.any_moment()
    return _act(house, "action, link up", "lock")


def state_after_beacon(house):
    """From a turn by hand to the arrival of the state that was asked for because of the beacon."""
    house.alone()
    house.central.expect_visit()
    house.any_moment()
    mark, started = house.recording.end(), time.monotonic()
    house.lock.command("manual lock")
    arrived = house.recording.wait_for("indication", mark, house.central.alive)["at"]
    house.at_rest()
    house.central.forget_visits()
    return Sample("state after a beacon", arrived - started, house.counts(mark, arrived))


def keypad(house):
    """From the end of the motor to a callback with the user's name, after a code at the keypad. pyNukiBT tells
    nobody: there it ends when the library hands out the log entry."""
    house.alone()
    wait_user = house.central.expect_visit()
    house.any_moment()
    mark, started = house.recording.end(), time.monotonic()
    house.lock.command(f"keypad {ANNA.digits}")
    try:
        wait_user(ANNA)
        seconds = time.monotonic() - started - MOTOR_SECONDS
    except (NotInTime, TimeoutError):
        seconds = None
    counts = house.counts(mark, time.monotonic())
    house.at_rest()
    house.central.forget_visits()
    return Sample("keypad to user", seconds, counts)


def log_page(house):
    """From the request for a nonce to the last word of a page of 20 entries. They are of the door sensor, and all
    there before anybody can connect."""
    house.alone()
    house.central.expect_visit()
    mark = house.recording.end()
    fill_log(house)
    house.recording.wait_for("write", mark, house.central.alive)    # of the state
    house.at_rest()
    house.central.forget_visits()
    writes = [entry["at"] for entry in house.recording.since(mark) if entry["what"] == "write"]
    if len(writes) < 3:
        raise AssertionError(f"a state and a page of the log take three writes, there were {len(writes)}")
    return _page(house, mark, writes[1], writes[3] if len(writes) > 3 else None)


def log_page_asked(house):
    """The same for a central that is asked for a page, on a link that is up."""
    house.at_rest()
    fill_log(house)
    house.at_rest()
    house.any_moment()
    mark, started = house.recording.end(), time.monotonic()
    house.central.read_page()
    return _page(house, mark, started, None)


def fill_log(house):
    """A page of entries at once, by the door of a lock that is unlocked."""
    for _ in range(LOG_PAGE // 2):
        house.lock.command("door open")
        house.lock.command("door close")


def _page(house, mark, first, behind):
    entries = [entry for entry in house.recording.since(mark)
               if entry["at"] >= first and (behind is None or entry["at"] < behind)]
    last = max(entry["at"] for entry in entries if entry["what"] == "indication")
    return Sample("log page of 20", last - first, count([entry for entry in entries if entry["at"] <= last]))


def check_motor(house):
    """The keypad's figure stands on it. A busy machine makes it seem longer, so the shortest of a few counts."""
    shortest = min(_motor(house) for _ in range(3))
    house.lock.command("manual lock")
    if abs(shortest - MOTOR_SECONDS) > 0.2:
        raise AssertionError(f"the simulated lock's motor takes {shortest:.2f} s and not {MOTOR_SECONDS} s: put that right here")


def _motor(house):
    started = time.monotonic()
    house.lock.command("button")
    wait_for("the motor has started", lambda: house.lock.state() not in ("locked", "unlocked"), 5, interval=0.01)
    wait_for("the motor stands", lambda: house.lock.state() in ("locked", "unlocked"), 10, interval=0.01)
    return time.monotonic() - started
