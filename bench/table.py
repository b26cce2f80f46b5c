"""Rows of the one table, from the figures that the stages have measured; the targets stand here and nowhere else."""
import dataclasses
import statistics

import floors
from operations import ADVERTISING_SECONDS

OURS, THEIRS = "keyturner", "pyNukiBT"
KEYPAD = "keypad to user"
# Who connects after the motor: beacon and link 1.5 T, set-up 6, state 2, nonce 2, request and one entry 3. The disk's
# sync and the receiver's round trip are left out, which makes it stricter.
LATE_INTERVALS, LATE_ADVERTISEMENTS = 13, 1.5

HEAD = ["| | Keyturner | beside it | ratio | target | reached |", "|---|---|---|---|---|---|"]


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    ours: str
    beside: str = ""
    ratio: float | None = None
    target: str = ""
    is_reached: bool | None = None

    def __str__(self):
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        reached = {None: "", True: "yes", False: "**no**"}[self.is_reached]
        return f"| {self.what} | {self.ours} | {self.beside} | {ratio} | {self.target} | {reached} |"


def at_most(what, value, ours, limit, unit, beside=""):
    """A figure with a limit of its own."""
    return Row(what, ours, beside, None, f"{limit:g} {unit}", value <= limit)


def ratio(what, ours, beside, value, at_most=None, at_least=None):
    """A figure whose limit is a part or a multiple of what stands beside it."""
    if at_most is not None:
        return Row(what, ours, beside, value, f"at most {at_most:g}", value <= at_most)
    if at_least is not None:
        return Row(what, ours, beside, value, f"at least {at_least:g}", value >= at_least)
    return Row(what, ours, beside, value)


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values, unit=1000, name="ms", digits=1, high=99):
    """Median and a high percentile."""
    return f"{statistics.median(values) * unit:.{digits}f} {name}, p{high} {percentile(values, high) * unit:.{digits}f}"


def mib(kib):
    return f"{kib / 1024:.1f} MiB"


# ---- one group of rows for each stage ------------------------------------
def of_costs(costs):
    """`costs` is a list of what cost.py wrote, some of each central."""
    ours, theirs = ([cost for cost in costs if cost["central"] == name] for name in (OURS, THEIRS))
    rows = []
    for key, what in (("linked", "link up"), ("cold", "cold")):
        shares, others = ([share for cost in side for share in cost[key]] for side in (ours, theirs))
        rows.append(at_most(f"own share of an action, {what}", percentile(shares, 99) * 1000, f"{spread(shares)} ({len(shares)} actions)",
                            5, "ms p99", beside=f"pyNukiBT {spread(others)}"))
    mean = {key: [statistics.mean(cost[key] for cost in side) * 1000 for side in (ours, theirs)]
            for key in ("cpu_per_action", "cpu_per_event", "idle")}
    mine, other = mean["cpu_per_action"]
    rows.append(at_most("CPU of an action and what follows it", mine, f"{mine:.2f} ms", 1, "ms"))
    for key, what in (("cpu_per_action", "CPU of an action and what follows it"), ("cpu_per_event", "CPU of an event at the keypad")):
        mine, other = mean[key]
        rows.append(ratio(what, f"{mine:.2f} ms", f"pyNukiBT {other:.2f} ms", mine / other, at_most=0.1))
    mine, other = mean["idle"]
    # bleak is told of changes alone, so there is nothing to divide by.
    rows.append(Row("CPU while a lock advertises and nobody comes, per second", f"{mine:.2f} ms", f"pyNukiBT {other:.2f} ms"))
    mine, other = (statistics.mean(cost["memory"]["resident"] for cost in side) for side in (ours, theirs))
    rows.append(ratio("resident memory, one lock", mib(mine), f"pyNukiBT {mib(other)}", mine / other, at_most=0.25))
    return rows


def of_radio(samples):
    """`samples` as tests/figures has them."""
    def chosen(**wanted):
        return [sample for sample in samples if all(sample[key] == value for key, value in wanted.items()) and sample["seconds"] is not None]

    rows = []
    for operation in ("action, cold", "action, link up", KEYPAD):
        texts = []
        for central in (OURS, THEIRS):
            counts = [sample["counts"] for sample in chosen(operation=operation, central=central)]
            usual = {field: statistics.mode(count[field] for count in counts) for field in ("connections", "cccd_writes", "writes", "indications")}
            texts.append(f"{usual['connections']} + {usual['cccd_writes']} + {usual['writes']} + {usual['indications']}")
        rows.append(Row(f"connections + CCCDs + writes + indications, {operation}", texts[0], f"pyNukiBT {texts[1]}"))
    for interval in sorted({sample["interval_ms"] for sample in samples}):
        times = {central: [sample["seconds"] for sample in chosen(operation=KEYPAD, central=central, interval_ms=interval)]
                 for central in (OURS, THEIRS)}
        mine = statistics.median(times[OURS])
        late = LATE_ADVERTISEMENTS * ADVERTISING_SECONDS + LATE_INTERVALS * interval / 1000
        held = floors.floor(KEYPAD, interval / 1000, ADVERTISING_SECONDS)
        what, text = f"keypad to callback at CI {interval:g} ms", spread(times[OURS], digits=0, high=95)
        rows.append(ratio(what, text, f"who connects afterwards: 1.5 T + 13 CI = {late * 1000:.0f} ms", mine / late, at_most=1.15))
        rows.append(ratio(what, text, f"who holds the link: 4.5 CI = {held * 1000:.0f} ms; pyNukiBT {spread(times[THEIRS], digits=0, high=95)}",
                          mine / held))
    return rows


def of_http(figures):
    rows = []
    for figure in figures:
        ours, name = figure["ours"], figure["request"]
        # Whichever of the two is faster.
        beside = max(figure["axum"], figure["axum_behind_limits"], key=lambda side: side["per_second"])
        what = f"`{name}` over {figure['connections']} connections"
        rows.append(ratio(f"{what}, a second", f"{ours['per_second']:.0f}", f"bare axum {beside['per_second']:.0f}",
                          ours["per_second"] / beside["per_second"], at_least=0.7))
        rows.append(ratio(f"{what}, p99", f"{ours['p99_us'] / 1000:.2f} ms", f"bare axum {beside['p99_us'] / 1000:.2f} ms",
                          ours["p99_us"] / beside["p99_us"]))
    return rows


def of_ingestion(figures):
    rows = []
    for figure in figures:
        ours, raw = figure["ours"], figure["raw"]
        what = f"events stored, {figure['at_once']} per transaction"
        rows.append(ratio(f"{what}, a second", f"{ours['per_second']:.0f}, p99 {ours['p99_us'] / 1000:.1f} ms",
                          f"SQLite {raw['per_second']:.0f}, p99 {raw['p99_us'] / 1000:.1f} ms",
                          ours["per_second"] / raw["per_second"], at_least=0.7))
        rows.append(ratio(f"{what}, bytes written for each", f"{ours['bytes_per_event']:.0f}", f"SQLite {raw['bytes_per_event']:.0f}",
                          ours["bytes_per_event"] / raw["bytes_per_event"]))
    return rows


def of_pages(figures):
    """The newest page of one user, and those deep in the log."""
    rows, first = [], {}
    for page in ("of a user, first page", "of a user, deep by time"):
        for figure in (figure for figure in figures if figure["page"] == page):
            what = f"page {page}, {figure['events']:,} events"
            inside = figure["store_us"] / figure["library_us"]
            whole = figure["http_us"] / figure["sqlite3_us"]
            first.setdefault(page, whole)
            rows.append(ratio(f"{what}: over HTTP, as JSON", f"{figure['http_us'] / 1000:.2f} ms",
                              f"`sqlite3` into a pipe {figure['sqlite3_us'] / 1000:.2f} ms", whole, at_most=1.5))
            rows.append(ratio(f"{what}: from the store", f"{figure['store_us'] / 1000:.2f} ms",
                              f"SQLite's library {figure['library_us'] / 1000:.2f} ms", inside, at_most=1.5))
    for page, begin in first.items():
        last = [figure for figure in figures if figure["page"] == page][-1]
        growth = last["http_us"] / last["sqlite3_us"] / begin
        rows.append(ratio(f"growth of that ratio up to {last['events']:,} events, {page}", f"{growth:.2f}", "the shortest log", growth, at_most=1.5))
    return rows


def of_process(start, towns, binary_bytes):
    rows = [at_most(f"start to `READY=1`, log of {start['events']:,} events", percentile(start["ready"], 99) * 1000,
                    spread(start["ready"], digits=0), 300, "ms"),
            Row("start to the first answer over HTTP", spread(start["answer"], digits=0))]
    for town in towns:
        what = f"resident memory, {town['locks']} lock{'s' if town['locks'] > 1 else ''}, after {town['events']} events"
        after = town["after"]
        text = f"{mib(after['resident'])} ({mib(after['anonymous'])} of it anonymous)"
        if town["locks"] == 4:
            rows.append(at_most(what, after["resident"] / 1024, text, 12, "MiB"))
        else:
            rows.append(Row(what, text))
    rows.append(Row("the binary", f"{binary_bytes / 1e6:.1f} MB"))
    return rows


def of_verify(figure):
    return [Row("`keyturner verify`, events a second", f"{figure['per_second']:.0f}")]
