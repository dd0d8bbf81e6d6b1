"""What Linux says of a process and its children: proc(5)."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
KIB_PER_MB = 1000 / 1.024  # the kernel's "kB" are KiB; ours are 1,000,000 bytes
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Where the fields after the program's name stand, counted from 0 at the state.
PARENT, UTIME, CSTIME = 1, 11, 14


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``ticks`` is the CPU of all its threads and of the children it waited for."""

    pid: int
    parent: int
    ticks: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory in MB (1,000,000 bytes): all of it, and what no file backs."""

    resident: float
    anonymous: float


def parse_stat(text: str) -> Process:
    """Read ``/proc/<pid>/stat``; a program's name may hold spaces and parentheses."""
    number, _, rest = text.partition(" (")
    fields = rest.rpartition(")")[2].split()
    ticks = sum(int(field) for field in fields[UTIME : CSTIME + 1])
    return Process(int(number), int(fields[PARENT]), ticks)


def processes(proc: Path = PROC) -> dict[int, Process]:
    """Every process now, by its id."""
    found = {}
    for folder in proc.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            process = parse_stat((folder / "stat").read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        found[process.pid] = process
    return found


def tree(root: int, known: dict[int, Process]) -> list[Process]:
    """This process and all that descend from it, the root first.

    Raises:
        ProcessLookupError: there is no such process.
    """
    if root not in known:
        raise ProcessLookupError(root)
    found = [known[root]]
    for each in found:  # grows as it goes
        found += [process for process in known.values() if process.parent == each.pid]
    return found


def cpu_seconds(root: int, proc: Path = PROC) -> float:
    """User and system CPU of a process tree so far, ended and waited-for children included.

    A child that ends moves its time into its parent's sum, so nothing is lost or counted twice.

    Raises:
        ProcessLookupError: there is no such process.
    """
    return sum(each.ticks for each in tree(root, processes(proc))) / TICKS_PER_SECOND


def memory(pid: int, proc: Path = PROC) -> Memory:
    """What this process holds in memory now.

    Raises:
        FileNotFoundError: there is no such process.
    """
    lines = (proc / str(pid) / "status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    return Memory(*(int(values[key].split()[0]) / KIB_PER_MB for key in ("VmRSS", "RssAnon")))


def largest(root: int, proc: Path = PROC) -> int:
    """The descendant with the most resident memory: the one worker of a server.

    Raises:
        ProcessLookupError: there is no such process, or it has no child.
    """
    below = [each.pid for each in tree(root, processes(proc))[1:]]
    if not below:
        raise ProcessLookupError(root)
    return max(below, key=lambda pid: memory(pid, proc).resident)
