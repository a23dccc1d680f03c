"""Where the time of a whole `make repro` goes: a clean run in a temporary folder, timed as DVC starts its stages."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.harness import summary
from iquitos_citylearn.study.case import prepare_case

POLL_S = 2.0
"""Between two looks at the memory: each takes the kernel a walk over all pages."""
STARTS = re.compile(r"Running stage '([^']+)'")


class Memory(threading.Thread):
    """Watches the memory of a process tree: proportional set size, in which shared pages count once [MiB]."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self.peak_mib = 0.0

    def run(self) -> None:
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            self.peak_mib = max(self.peak_mib, sum(map(_pss_mib, _tree(self._root))))
            time.sleep(POLL_S)

    def take_peak(self) -> float:
        """Return the highest use since the last call."""
        peak, self.peak_mib = self.peak_mib, 0.0
        return peak


def _tree(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _pss_mib(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0


def stages(folder: Path) -> Iterator[tuple[str, float, float]]:
    """Run what is stale in a folder; yield each stage, its seconds with DVC's own work after it, and peak memory [MiB].

    What comes before the first stage is `DVC`.
    """
    command = [sys.executable, "-m", "iquitos_citylearn.tools.repro"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        memory = Memory(process.pid)
        memory.start()
        stage, start = "DVC", time.perf_counter()
        for line in process.stdout or ():
            print(line, end="")
            if (found := STARTS.search(line)) is not None:
                now = time.perf_counter()
                yield stage, now - start, memory.take_peak()
                stage, start = found[1], now
        status = process.wait()
        yield stage, time.perf_counter() - start, memory.take_peak()
    if status != 0:
        raise RuntimeError(f"the pipeline ended with status {status} after {stage}")


def pipeline(changed: str = "{}") -> dict[str, Any]:
    """Time the pipeline on `params.yaml`, with keys changed by some YAML, and once more with nothing stale."""
    with tempfile.TemporaryDirectory() as folder:
        overlay, case = Path(folder) / "overlay.yaml", Path(folder) / "case"
        overlay.write_text(changed, encoding="utf-8")
        prepare_case(case, overlay)
        rows = list(stages(case))
        unchanged = sum(seconds for _, seconds, _ in stages(case))
    rows.append(("all", sum(row[1] for row in rows), max(row[2] for row in rows)))
    figures = {name: summary([seconds]) | {"note": f"{mib:,.0f} MiB"} for name, seconds, mib in rows}
    return {"nothing stale": summary([unchanged])} | figures
