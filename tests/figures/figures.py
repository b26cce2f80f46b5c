#!/usr/bin/env python3
"""What each operation costs on the air, for Keyturner and for pyNukiBT, side by side. Run it with tests/figures/run."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "clients"))

import tables

REPOSITORY = HERE.parent.parent
INTERVALS = (7.5, 15, 30, 50)
CENTRALS = ("keyturner", "pyNukiBT")
# Everything sleeps nearly all the time, so houses stand side by side; more of them would disturb one another.
HOUSES = 24
BEGIN = "<!-- tests/figures/run writes from here -->"
END = "<!-- to here -->"


class House:
    """A process that measures one central at one interval for some rounds."""

    def __init__(self, directory, number, central, interval, rounds, keyturner, options):
        self.what = f"{central} at {interval} ms, house {number}"
        self.out = directory / f"{number}.jsonl"
        self.log = directory / f"{number}.log"
        command = [sys.executable, "-B", HERE / "measure.py", "--central", central, "--connection-interval", str(interval),
                   "--rounds", str(rounds), "--out", self.out, *options, *(["--keyturner", keyturner] if keyturner else [])]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def samples(self):
        return [json.loads(line) for line in self.out.read_text().splitlines()]


def plan(rounds):
    """(central, interval, rounds) of each house: as many for each as there is room."""
    each = max(1, HOUSES // (len(INTERVALS) * len(CENTRALS)))
    shares = [rounds // each + (1 if number < rounds % each else 0) for number in range(each)]
    return [(central, interval, share) for share in shares if share for interval in INTERVALS for central in CENTRALS]


def run_all(directory, rounds, keyturner, options=()):
    """Samples of all houses. `options` are more of those of measure.py."""
    houses = []
    try:
        for number, (central, interval, share) in enumerate(plan(rounds)):
            houses.append(House(directory, number, central, interval, share, keyturner, options))
            time.sleep(0.5)     # they all make keys and read modules first
        while any(house.process.poll() is None for house in houses):
            if any(house.process.poll() for house in houses):
                break       # one has failed, so the others are of no use
            time.sleep(0.2)
    finally:
        for house in houses:
            if house.process.poll() is None:
                house.process.terminate()
                house.process.wait()
    for house in houses:
        # The others were ended by us.
        if house.process.returncode not in (0, 143):
            sys.exit(f"{house.log.read_text()}\n{house.what} failed with {house.process.returncode}, see above")
    return [sample for house in houses for sample in house.samples()]


def commit():
    def git(*command):
        return subprocess.run(["git", *command], cwd=REPOSITORY, capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain", "src", "Cargo.toml") else "")


def write_into(path, text, begin=BEGIN, end=END):
    before, _, rest = path.read_text().partition(begin)
    _, _, after = rest.partition(end)
    if not rest or not after:
        sys.exit(f"{path} lacks the two lines between which figures stand: {begin} and {end}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--keyturner", metavar="PATH", help="the binary (default: KEYTURNER, or the release build in target/)")
    ap.add_argument("--rounds", type=int, default=21, help="samples of each operation, central and interval (default 21)")
    ap.add_argument("--write", type=pathlib.Path, metavar="FILE", help="put the tables into this file, in the marked place")
    ap.add_argument("--samples", type=pathlib.Path, metavar="FILE", help="keep every sample, a JSON object a line")
    args = ap.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="keyturner-figures-") as directory:
        samples = run_all(pathlib.Path(directory), args.rounds, args.keyturner)
    if args.samples:
        args.samples.write_text("".join(json.dumps(sample) + "\n" for sample in samples))
    text = "\n".join([f"{args.rounds} rounds at each interval, {time.strftime('%Y-%m-%d')}, commit {commit()}, "
                      f"{os.cpu_count()} processors, {time.monotonic() - started:.0f} s.", "", *tables.all_of(samples)])
    print(text)
    if args.write:
        write_into(args.write, text)


if __name__ == "__main__":
    main()
