"""One run of a script: its directory, its processes, and what is said at the end."""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import traceback

from . import leaks
from .process import Process

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
TAIL_LINES = 25


class Workspace:
    """A directory for sockets, data and logs. It stays when the script fails."""

    def __init__(self, keyturner, directory, stack):
        self.keyturner, self.dir, self._stack = keyturner, directory, stack
        self.logs = directory / "logs"
        self.logs.mkdir()

    def start(self, name, command, **options):
        process = Process(name, command, self.logs, **options)
        self._stack.callback(process.end)
        return process

    def at_end(self, function):
        self._stack.callback(function)


def step(text):
    print(f"  - {text}", flush=True)


def _default_binary():
    for profile in ("release", "debug"):
        path = REPOSITORY / "target" / profile / "keyturner"
        if path.exists():
            return path
    return None


def _binary(given):
    path = given or os.environ.get("KEYTURNER") or _default_binary()
    if path is None:
        sys.exit("no keyturner binary: run `cargo build --release` or give --keyturner PATH")
    path = pathlib.Path(path).resolve()
    if not os.access(path, os.X_OK):
        sys.exit(f"{path} is not a program: build keyturner, or give the right --keyturner PATH")
    return path


def run_script(test, add_arguments=None):
    """Runs test(workspace, args) and turns its outcome into an exit code and a readable report."""
    ap = argparse.ArgumentParser(description=sys.modules[test.__module__].__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--keyturner", metavar="PATH", help="the binary (default: KEYTURNER, or the release or else debug build in target/)")
    if add_arguments:
        add_arguments(ap)
    args = ap.parse_args()
    name, started = pathlib.Path(sys.argv[0]).stem, time.monotonic()
    keyturner = _binary(args.keyturner)
    # A short path: unix sockets live here, and their names may have 107 bytes only.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="keyturner-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"{name}: {keyturner}", flush=True)
    try:
        with contextlib.ExitStack() as stack:
            test(Workspace(keyturner, directory, stack), args)
        leaks.check(directory)
    except BaseException as error:
        if not isinstance(error, AssertionError):
            traceback.print_exc()
        _report(name, error, directory)
        if isinstance(error, Exception):
            sys.exit(1)
        raise
    shutil.rmtree(directory)
    print(f"{name}: passed in {time.monotonic() - started:.1f} s", flush=True)


def _report(name, error, directory):
    for log in sorted(directory.rglob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        print(f"--- {log}: last {min(len(lines), TAIL_LINES)} of {len(lines)} lines", file=sys.stderr)
        print("\n".join(lines[-TAIL_LINES:]), file=sys.stderr)
    print(f"{name}: FAILED: {type(error).__name__}: {error}\n    everything is kept in {directory}", file=sys.stderr)
