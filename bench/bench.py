#!/usr/bin/env python3
"""Every figure that has a target, in one table. Run it with bench/run, which says what the options do."""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY / "tests" / "figures"), str(REPOSITORY / "tests" / "clients")]

import figures as radio
import table

BEGIN, END = "<!-- bench/run writes from here -->", "<!-- bench/run writes to here -->"
BENCHES = ("bridge", "history_pages", "ingest", "verify")
UNIT = REPOSITORY / "systemd" / "keyturner.service"
KEYTURNER = REPOSITORY / "target" / "release" / "keyturner"
LARGE = 10_000_000


class Plan:
    """How much of everything."""

    def __init__(self, quick, large):
        self.rounds = 3 if quick else 21            # of actions and keypad, at each interval
        self.houses = 2 if quick else 4             # of each central, for its CPU and its own share
        self.cycles = 2 if quick else 8             # in each of them
        self.seconds = 3 if quick else 15           # of each request, and of each way of writing
        self.aged = 20_000 if quick else 100_000    # events in the log with which the daemon starts
        self.starts = 5 if quick else 30
        self.turns = 5 if quick else 60             # of each lock: an hour in which each moves once a minute
        self.locks = (1, 4) if quick else (1, 4, 16)
        self.pages = [10_000, 100_000] if quick else [10_000, 100_000, 1_000_000]
        if large:
            self.pages.append(LARGE)


def say(text):
    print(f"bench/run: {text}", file=sys.stderr, flush=True)


class Run:
    def __init__(self, directory):
        self.directory = directory
        # Asking for the benches puts a program with their settings in the place of the release.
        self.keyturner = pathlib.Path(shutil.copy2(KEYTURNER, directory))
        self.programs = programs()

    def bench(self, name, *options):
        """A bench of cargo with --figures: what it has measured, a dictionary for each."""
        done = self._run(f"the bench {name}", [self.programs[name], "--figures", *map(str, options)])
        return [json.loads(line) for line in done.splitlines() if line.startswith('{"')]

    def script(self, name, number, *options):
        """A script of this folder: what it has measured."""
        out = self.directory / f"{name}{number}.json"
        self._run(f"{name}.py {number}", [sys.executable, "-B", HERE / f"{name}.py", "--keyturner", self.keyturner, "--out", out,
                                          *map(str, options)])
        return json.loads(out.read_text())

    def _run(self, what, command):
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              cwd=self.directory, check=False)
        if done.returncode:
            raise SystemExit(f"{done.stdout}\n{done.stderr}\nbench/run: {what} failed with {done.returncode}, see above")
        return done.stdout

    def aged(self, events):
        """An event log of this age, and how fast it is verified."""
        path = self.directory / "aged.db"
        figure, = self.bench("verify", events, path)
        return path, figure

    def side_by_side(self, name, count, *options):
        """The same script so often at once: they sleep nearly all the time."""
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda number: self.script(name, number, *options), range(count)))


def measure(run, plan):
    """(rows, figures), stage by stage."""
    rows, figures = [], {}

    def stage(name, text, function, rows_of):
        say(text)
        began = time.monotonic()
        figures[name] = function()
        rows.extend(rows_of(figures[name]))
        say(f"  {time.monotonic() - began:.0f} s")

    def costs():
        return [cost for central in radio.CENTRALS
                for cost in run.side_by_side("cost", plan.houses, "--central", central, "--cycles", plan.cycles)]

    stage("costs", "processor time, memory and own share, beside pyNukiBT", costs, table.of_costs)
    stage("radio", "actions and keypad at four connection intervals, beside pyNukiBT",
          lambda: radio.run_all(run.directory, plan.rounds, run.keyturner, ("--short",)), table.of_radio)
    stage("http", "requests beside bare axum", lambda: run.bench("bridge", plan.seconds), table.of_http)
    stage("ingestion", "events stored beside SQLite", lambda: run.bench("ingest", plan.seconds), table.of_ingestion)
    stage("pages", f"pages of logs of up to {plan.pages[-1]:,} events beside SQLite",
          lambda: run.bench("history_pages", *plan.pages), table.of_pages)
    aged, verified = None, None

    def process():
        nonlocal aged, verified
        aged, verified = run.aged(plan.aged)
        start = run.script("start", "", "--aged", aged, "--starts", plan.starts)
        towns = [run.script("town", locks, "--locks", locks, "--events", plan.turns) for locks in plan.locks]
        return {"start": start, "towns": towns, "binary": run.keyturner.stat().st_size}

    stage("process", "start, memory and size of the daemon", process,
          lambda figure: table.of_process(figure["start"], figure["towns"], figure["binary"]))
    rows.extend(table.of_verify(verified))
    figures["verify"] = verified
    return rows, figures


def build():
    """The benches, and after them the release, in whose place they have put a program of their own."""
    say("building the release and the benches")
    cargo = os.environ.get("CARGO", "cargo")
    for command in (bench_command(cargo), [cargo, "build", "--release", "--locked"]):
        if subprocess.run(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, check=False).returncode:
            sys.exit(f"bench/run: `{' '.join(command)}` failed, see above")


def bench_command(cargo):
    return [cargo, "bench", "--locked", "--no-run", *(part for name in BENCHES for part in ("--bench", name))]


def programs():
    """Where cargo has put the benches."""
    command = [*bench_command(os.environ.get("CARGO", "cargo")), "--message-format", "json", "--quiet"]
    done = subprocess.run(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}\nbench/run: `{' '.join(command)}` failed, see above")
    artifacts = (json.loads(line) for line in done.stdout.splitlines())
    return {a["target"]["name"]: a["executable"] for a in artifacts if a.get("executable") and "bench" in a["target"]["kind"]}


def service_environment():
    """What the unit sets: the daemon is measured as it is installed. Its peers get the same."""
    prefix = "Environment="
    lines = [line.removeprefix(prefix) for line in UNIT.read_text().splitlines() if line.startswith(prefix)]
    return dict(line.split("=", 1) for line in lines)


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), os.uname().machine)


def load():
    return os.getloadavg()[0]


def text_of(rows, started, load_before, is_quick):
    reached = [row.is_reached for row in rows if row.is_reached is not None]
    look = "A look with few samples, " if is_quick else ""
    return "\n".join([
        f"{look}{time.strftime('%Y-%m-%d')}, commit {radio.commit()}, {os.cpu_count()} x {processor()}, load before {load_before:.1f}, "
        f"{time.monotonic() - started:.0f} s; {sum(reached)} of {len(reached)} targets reached.", "", *table.HEAD, *map(str, rows)])


def main():
    ap = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    ap.add_argument("--quick", action="store_true")
    ap.add_argument("--large", action="store_true")
    ap.add_argument("--no-build", action="store_true", help="take the release as it is")
    ap.add_argument("--write", type=pathlib.Path, metavar="FILE")
    ap.add_argument("--json", type=pathlib.Path, metavar="FILE")
    args = ap.parse_args()
    if args.write and BEGIN not in args.write.read_text():
        sys.exit(f"bench/run: {args.write} lacks the lines between which the table stands: {BEGIN} and {END}")
    if not args.no_build:
        build()
    if not os.access(KEYTURNER, os.X_OK):
        sys.exit(f"bench/run: there is no {KEYTURNER}: leave --no-build out")
    os.environ.update(service_environment())
    started, load_before = time.monotonic(), load()
    if load_before > 0.5:
        say(f"the load is {load_before:.1f}: something else runs, and figures are worse for it")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="keyturner-bench-"))
        rows, figures = measure(Run(pathlib.Path(directory)), Plan(args.quick, args.large))
    text = text_of(rows, started, load_before, args.quick)
    print(text)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    if args.write:
        radio.write_into(args.write, text, BEGIN, END)


if __name__ == "__main__":
    main()
