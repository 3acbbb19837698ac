"""How many cores there are for this process: what every pool of threads or processes is made for."""

import math
import os
from pathlib import Path

CGROUP = Path("/proc/self/cgroup")  # of Linux: which group this process is in
CGROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """How many cores this process may use: those that it may run on, fewer where a cgroup or OMP_NUM_THREADS gives less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    limits = [allowed, _quota(), int(asked) if asked.isdigit() and int(asked) else math.inf]
    return max(1, math.floor(min(limits)))


def _quota() -> float:
    """Cores that cgroups (v2) leave to this process, those above its own included; without a limit, infinity."""
    try:
        own = next(line for line in CGROUP.read_text().splitlines() if line.startswith("0::")).removeprefix("0::/")
    except (OSError, StopIteration):
        return math.inf
    quotas = [math.inf]
    for group in (CGROUPS / own, *(CGROUPS / own).parents):
        try:
            quota, period = (group / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if quota != "max":
            quotas.append(int(quota) / int(period))
    return min(quotas)
