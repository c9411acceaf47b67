"""Run a command, and measure the CPU time and the memory of its process tree while it runs."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil

_INTERVAL = 0.2
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception)\b")
_OUT_OF_MEMORY = re.compile(r"out ?of ?memory|MemoryError", re.IGNORECASE)

Reason = Literal["time", "memory", "disk", "failed"]


class StoppedError(Exception):
    """A command that failed, or that was stopped because it exceeded a limit."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """The maximum CPU and wall seconds, the maximum memory, and the free disk space to leave, both in MB."""

    cpu: float
    wall: float
    memory_mb: float
    free_disk_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Wall and CPU seconds since the start of the command, and the peak memory until now in MB."""

    wall: float
    cpu: float
    peak_mb: float


class MeasuredProcess:
    """
    A command that waits for a line of input before each step, and prints a line at the end of the step.

    Because the command waits, its child processes are still alive when their CPU time is read. The CPU time and the
    memory are those of the process and all its descendants, for example the Java virtual machine of Spark.

    Parameters
    ----------
    command
        The command and its arguments.
    folder
        The folder that the command writes to. Its disk must keep the free space in `limits`.
    limits
        The limits. If the process exceeds a limit, `next_line` raises StoppedError.
    environment
        Environment variables to add.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, limits: ResourceLimits, environment: Mapping[str, str]
    ) -> None:
        self._command, self._folder, self._limits = command, folder, limits
        self._environment = os.environ | environment
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._peak_mb = 0.0

    def __enter__(self) -> Self:
        self._errors = (self._folder / "stderr.txt").open("w+", encoding="utf-8", errors="replace")
        self._started = time.monotonic()
        # In a session of its own, the process and its descendants can be stopped together.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=self._environment,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read_lines, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()

    def next_line(self) -> str:
        """Let the process continue until it prints a line. Raise StoppedError if it ends or exceeds a limit."""
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.write("\n")
                self._process.stdin.flush()
        while True:
            with suppress(queue.Empty):
                line = self._lines.get(timeout=_INTERVAL)
                if line is None:
                    raise self._failure()
                return line
            self._check_limits()

    def usage(self) -> Usage:
        """Return the resources that the process tree has used."""
        tree = self._tree()
        resident, cpu = 0.0, 0.0
        for process in tree:
            with suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                cpu += used.user + used.system + used.children_user + used.children_system
                resident += process.memory_info().rss / 2**20
                self._peak_mb = max(self._peak_mb, _own_peak_mb(process.pid))
        self._peak_mb = max(self._peak_mb, resident)
        return Usage(time.monotonic() - self._started, cpu, self._peak_mb)

    def _check_limits(self) -> None:
        usage, limits = self.usage(), self._limits
        if usage.cpu > limits.cpu:
            raise StoppedError("time", f"more than {limits.cpu:,.0f} s CPU")
        if usage.wall > limits.wall:
            raise StoppedError("time", f"more than {limits.wall:,.0f} s wall")
        if usage.peak_mb > limits.memory_mb:
            raise StoppedError("memory", f"more than {limits.memory_mb:,.0f} MB of memory")
        if shutil.disk_usage(self._folder).free / 2**20 < limits.free_disk_mb:
            raise StoppedError("disk", f"less than {limits.free_disk_mb:,.0f} MB of free disk space")

    def _tree(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        return []

    def _read_lines(self) -> None:
        if self._process.stdout:
            for line in self._process.stdout:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _failure(self) -> StoppedError:
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().splitlines() if line.strip()]
        messages = [line for line in lines if _EXCEPTION.match(line)] or lines
        message = messages[-1][:500] if messages else "the process ended without a message"
        return StoppedError("memory" if _OUT_OF_MEMORY.search(message) else "failed", message)


def _own_peak_mb(pid: int) -> float:
    """Return the peak memory of a process in MB, or 0 if the system does not report it."""
    with suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return 0.0
