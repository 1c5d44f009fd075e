"""Memory around a job: what the kernel killed for it, and what a GPU has in use. Nothing here loads torch."""

import shutil
import subprocess
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
SMI_SECONDS = 10.0


def oom_kills(root: Path = CGROUPS) -> int:
    """How many processes of our control group the kernel has killed for memory; 0 where it does not say."""
    for events in (root / _own_group() / "memory.events", root / "memory.events", root / "memory/memory.oom_control"):
        try:
            lines = events.read_text().splitlines()
        except OSError:
            continue
        counts = dict(line.split(maxsplit=1) for line in lines if line.count(" "))
        if "oom_kill" in counts:
            return int(counts["oom_kill"])
    return 0


def _own_group() -> str:
    """Our group below the root of cgroup v2 (cgroups(7))."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")


def vram_used_mib(device: str | None) -> int | None:
    """MiB in use on ``cuda:N`` (``cuda`` is the first), by all processes; None without a GPU or ``nvidia-smi``."""
    smi = shutil.which("nvidia-smi")
    if smi is None or device is None or not device.startswith("cuda"):
        return None
    index = device.partition(":")[2] or "0"
    query = [smi, f"--id={index}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, timeout=SMI_SECONDS, check=True).stdout
        return int(said.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None
