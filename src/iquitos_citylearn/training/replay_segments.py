"""A replay buffer on disk: only the rows that are new since the last checkpoint are written.

A buffer is a ring. Its rows are numbered from the start of the training; row i stands at place i modulo its size.
A segment holds the rows [start, stop). A checkpoint lists the segments that together hold every row still in the ring.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer

from iquitos_citylearn.agents.per_charger import PerChargerReplayBuffer
from iquitos_citylearn.runtime.artifacts import write_bytes
from iquitos_citylearn.training.sealed_file import DamagedError

OF_ROWS_ONLY = (ReplayBuffer, NStepReplayBuffer, PerChargerReplayBuffer)
"""Buffers that hold nothing that changes but their rows."""


class Segment(NamedTuple):
    """Rows on disk.

    Attributes
    ----------
    start, stop : int
        Numbers of the first row and of the one after the last.
    sha256 : str
        Checksum of the file.
    """

    start: int
    stop: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Name of its file in the checkpoint folder."""
        return f"replay_{self.start:010d}_{self.stop:010d}.npz"


class ReplaySegments:
    """Writes and reads the rows of a replay buffer.

    Parameters
    ----------
    folder : Path
        The checkpoint folder.
    buffer : ReplayBuffer
        The buffer of the training.

    Raises
    ------
    ValueError
        If the buffer shares rows between transitions (`optimize_memory_usage`), so that a row is not whole when added,
        or is of a kind that may hold more than rows.
    """

    def __init__(self, folder: Path, buffer: ReplayBuffer) -> None:
        if buffer.optimize_memory_usage:
            raise ValueError("kwargs.optimize_memory_usage is True: such a replay buffer can't be resumed exactly")
        if type(buffer) not in OF_ROWS_ONLY:
            raise ValueError(f"a replay buffer of the class {type(buffer).__name__} can't be resumed exactly")
        self.folder, self.buffer = folder, buffer
        self.segments: list[Segment] = []

    def write_new(self, n_added: int) -> list[Segment]:
        """Write the rows added since the last call, and return the segments that hold the buffer.

        Parameters
        ----------
        n_added : int
            Rows added since the start of the training.

        Raises
        ------
        ArtifactError
            If a segment can't be written; the next call tries again.
        """
        size = self.buffer.buffer_size
        oldest = max(0, n_added - size)
        start = max(oldest, self.segments[-1].stop if self.segments else 0)
        if start < n_added:
            places = np.arange(start, n_added) % size
            content = io.BytesIO()
            np.savez(content, **{name: array[places] for name, array in self._arrays()})
            segment = Segment(start, n_added, hashlib.sha256(content.getbuffer()).hexdigest())
            write_bytes(self.folder / segment.file_name, content.getvalue())
            self.segments.append(segment)
        self.segments = [segment for segment in self.segments if segment.stop > oldest]
        return self.segments

    def read(self, listed: Iterable[Iterable[Any]], n_added: int) -> None:
        """Put the rows of a checkpoint into the buffer.

        Parameters
        ----------
        listed : iterable
            The segments, as the checkpoint lists them.
        n_added : int
            Rows added before that checkpoint.

        Raises
        ------
        DamagedError
            If a segment is missing or its checksum is wrong.
        """
        segments = [Segment(*item) for item in listed]
        size = self.buffer.buffer_size
        for segment in segments:
            rows = self._read_rows(segment)
            places = np.arange(segment.start, segment.stop) % size
            for name, array in self._arrays():
                array[places] = rows[name]
        self.buffer.pos, self.buffer.full = n_added % size, n_added >= size
        self.segments = segments

    def remove_unused(self, n_added: int) -> None:
        """Remove the segments that no checkpoint needs any more, the oldest of which was taken after `n_added` rows."""
        for path in self.folder.glob("replay_*.npz"):
            if int(path.stem.split("_")[2]) <= n_added - self.buffer.buffer_size:
                path.unlink()

    def _read_rows(self, segment: Segment) -> dict[str, NDArray[Any]]:
        path = self.folder / segment.file_name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != segment.sha256:
            raise DamagedError(f"{path}: its checksum is wrong ({len(content)} bytes): torn, truncated or changed")
        with np.load(io.BytesIO(content), allow_pickle=False) as rows:
            return dict(rows)

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what the buffer holds a row of for every step."""
        for name, value in vars(self.buffer).items():
            if isinstance(value, np.ndarray) and len(value) == self.buffer.buffer_size:
                yield name, value
