"""Samples as Markdown."""
import statistics

import floors
from operations import ADVERTISING_SECONDS

OURS, THEIRS = "keyturner", "pyNukiBT"


def all_of(samples):
    return [*counts(samples), "", *times(samples)]


def _chosen(samples, **wanted):
    return [sample for sample in samples if all(sample[key] == value for key, value in wanted.items())]


def counts(samples):
    """They do not depend on the interval."""
    rows = ["| operation | central | connections | CCCD writes | writes | indications | bytes out | bytes in |",
            "|---|---|---|---|---|---|---|---|"]
    for operation in floors.FORMULAS:
        for central in (OURS, THEIRS):
            found = [sample["counts"] for sample in _chosen(samples, operation=operation, central=central)
                     if sample["seconds"] is not None]
            if found:
                cells = [_span([count[field] for count in found]) for field in
                         ("connections", "cccd_writes", "writes", "indications", "bytes_out", "bytes_in")]
                rows.append(f"| {operation} | {central} | {' | '.join(cells)} |")
    return rows


def _span(values):
    """The usual value, and how many others there are."""
    usual = statistics.mode(values)
    others = sorted(set(values) - {usual})
    if not others:
        return str(usual)
    rest = len([value for value in values if value != usual])
    return f"{usual} ({rest} of {len(values)}: {others[0]}" + (f" to {others[-1]})" if len(others) > 1 else ")")


def times(samples):
    rows = ["| operation | CI, ms | least, ms | keyturner median, p95 | pyNukiBT median, p95 | keyturner / least | "
            "keyturner / pyNukiBT |", "|---|---|---|---|---|---|---|"]
    for operation, formula in floors.FORMULAS.items():
        for interval in sorted({sample["interval_ms"] for sample in samples}):
            ours, theirs = ([sample["seconds"] for sample in
                             _chosen(samples, operation=operation, central=central, interval_ms=interval)]
                            for central in (OURS, THEIRS))
            mid, other = _median(ours), _median(theirs)
            if mid and other:
                least = floors.floor(operation, interval / 1000, ADVERTISING_SECONDS)
                rows.append(f"| {operation} ({formula}) | {interval:g} | {_ms(least)} | {_spread(ours)} | {_spread(theirs)} | "
                            f"{mid / least:.2f} | {mid / other:.2f} |")
    return rows


def _come(values):
    return sorted(value for value in values if value is not None)


def _median(values):
    return statistics.median(_come(values)) if _come(values) else None


def _spread(values):
    """Median and p95; what did not come is said."""
    come = _come(values)
    text = f"{_ms(statistics.median(come))}, {_ms(come[min(len(come) - 1, int(0.95 * len(come)))])}"
    return text if len(come) == len(values) else f"{text} ({len(values) - len(come)} of {len(values)} did not come)"


def _ms(seconds):
    return f"{seconds * 1000:.0f}"
