"""Waiting for a condition, with a deadline: the only place where a script sleeps."""
import time


class NotInTime(AssertionError):
    """A condition that had to come true did not."""


def wait_for(what, condition, seconds=30.0, interval=0.05, alive=()):
    """Returns the first true value of condition(). `alive` are processes without which waiting is pointless."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        for process in alive:
            process.must_be_alive(what)
        if time.monotonic() > deadline:
            raise NotInTime(f"{what}: not within {seconds:g} s")
        time.sleep(interval)


def expect(condition, what, *details):
    """An assertion that says what was expected and what was found; also under `python -O`."""
    if not condition:
        raise AssertionError("\n    ".join([f"expected: {what}", *(f"found: {d!r}" for d in details)]))
