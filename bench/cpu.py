"""Processor time and memory of processes and threads, as Linux counts them."""
import pathlib
import time

# Linux: the clock of a process's processor time, threads that have ended included (clock_getcpuclockid(3)).
CPUCLOCK_SCHED = 2
MEMORY = {"VmRSS": "resident", "VmHWM": "peak", "RssAnon": "anonymous"}


def of_process(pid):
    """Seconds."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def of_thread(thread):
    """Seconds, of a thread of this process."""
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def memory(pid):
    """KiB: resident, the most it ever was, and the anonymous part of what is resident."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    return {ours: int(values[theirs].split()[0]) for theirs, ours in MEMORY.items()}
