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
    """They do not depend on the interval; where samples differ, from which to which."""
    rows = ["| operation | central | connections | CCCD writes | writes | indications | bytes out | bytes in |",
            "|---|---|---|---|---|---|---|---|"]
    for operation in floors.FORMULAS:
        for central in (OURS, THEIRS):
            found = [sample["counts"] for sample in _chosen(samples, operation=operation, central=central)]
            if found:
                cells = [_span([count[field] for count in found]) for field in
                         ("connections", "cccd_writes", "writes", "indications", "bytes_out", "bytes_in")]
                rows.append(f"| {operation} | {central} | {' | '.join(cells)} |")
    return rows


def _span(values):
    """What nine of ten have, beside the rest."""
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
            if not ours or not theirs:
                continue
            least = floors.floor(operation, interval / 1000, ADVERTISING_SECONDS)
            mid, other = statistics.median(ours), statistics.median(theirs)
            rows.append(f"| {operation} ({formula}) | {interval:g} | {_ms(least)} | {_ms(mid)}, {_ms(_p95(ours))} | "
                        f"{_ms(other)}, {_ms(_p95(theirs))} | {mid / least:.2f} | {mid / other:.2f} |")
    return rows


def _ms(seconds):
    return f"{seconds * 1000:.0f}"


def _p95(values):
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
