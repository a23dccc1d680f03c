"""Checkpoints of one seed: written between rollouts, and read so that the training goes on exactly.

A folder holds the newest few checkpoints, the segments of the replay buffer that they list, and in the end the
finished training. Checkpoints of another fingerprint are refused.
"""

import io
import logging
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from iquitos_citylearn.env.vec_env import ChargingVecEnv
from iquitos_citylearn.runtime.artifacts import ArtifactError
from iquitos_citylearn.training.fingerprint import describe_changes
from iquitos_citylearn.training.jobs import FINISHED, INTERRUPTED
from iquitos_citylearn.training.progress import ProgressCallback
from iquitos_citylearn.training.replay_segments import ReplaySegments
from iquitos_citylearn.training.sealed_file import DamagedError, Sealed, read_sealed, write_sealed
from iquitos_citylearn.training.state import refuse_what_cannot_be_resumed, restore_training_state, training_state

logger = logging.getLogger(__name__)

N_KEPT = 3


class CheckpointFolder:
    """The checkpoints of one seed.

    Parameters
    ----------
    folder : Path
        Where they stand; made when the first one is written.
    fingerprint : mapping of str to str
        What decides the training (`training/fingerprint.py`).
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str]) -> None:
        self.folder, self.fingerprint = folder, dict(fingerprint)

    def write(self, name: str, payload: bytes, **header: Any) -> None:
        """Write a sealed file with the fingerprint in its header.

        Raises
        ------
        ArtifactError
            If it can't be written.
        """
        write_sealed(self.folder / name, {"fingerprint": self.fingerprint, **header}, payload)

    def read(self, path: Path) -> Sealed | None:
        """Read a sealed file; None, with a line in the log, if it is of another training.

        Raises
        ------
        DamagedError
            If it is not whole.
        """
        sealed = read_sealed(path)
        changes = describe_changes(sealed.header["fingerprint"], self.fingerprint)
        if changes:
            logger.warning("%s is refused, the training starts afresh: %s", path, "; ".join(changes))
        return None if changes else sealed

    def is_finished(self) -> bool:
        """Return whether the training is finished, and whole on disk."""
        path = self.folder / FINISHED
        if not path.exists():
            return False
        try:
            return self.read(path) is not None
        except DamagedError as error:
            logger.warning("%s; it is not used", error)
            return False

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints, the newest first."""
        return sorted(self.folder.glob("step_*.sealed"), reverse=True)

    def sound(self) -> Iterator[Sealed]:
        """Yield the checkpoints that are whole and of this training, the newest first."""
        for path in self.checkpoints():
            try:
                sealed = self.read(path)
            except DamagedError as error:
                logger.warning("%s; the checkpoint before it is tried", error)
                continue
            if sealed is None:
                return
            yield sealed

    def clear(self) -> None:
        """Remove everything."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


class Checkpoints:
    """Writes and restores checkpoints of one training.

    Parameters
    ----------
    folder : CheckpointFolder
        Where they stand.
    model : BaseAlgorithm
        The model, new.
    env : ChargingVecEnv
        Its environment, new.
    progress : ProgressCallback
        What is recorded of the training.

    Raises
    ------
    ValueError
        If the training holds what can't be resumed exactly.
    """

    def __init__(
        self, folder: CheckpointFolder, model: BaseAlgorithm, env: ChargingVecEnv, progress: ProgressCallback
    ) -> None:
        refuse_what_cannot_be_resumed(model)
        self.folder, self.model, self.env, self.progress = folder, model, env, progress
        self.segments: ReplaySegments | None = None
        if isinstance(model, OffPolicyAlgorithm) and model.replay_buffer is not None:
            self.segments = ReplaySegments(folder.folder, model.replay_buffer)

    def restore(self) -> int:
        """Restore the newest sound checkpoint; without one, clear the folder. Return the step."""
        for header, payload in self.folder.sound():
            step = int(header["step"])
            if self._read_segments(header["segments"], step):
                state = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=False)
                restore_training_state(self.model, self.env, state["training"])
                self.progress.restore(state["progress"])
                self._remove_unusable(step)
                return step
        self.folder.clear()
        return 0

    def write(self) -> None:
        """Write a checkpoint, and remove what is no longer needed.

        Raises
        ------
        ArtifactError
            If it can't be written; the ones before it stay.
        """
        step = int(self.model.num_timesteps)
        listed = self.segments.write_new(self._n_added(step)) if self.segments else []
        content = io.BytesIO()
        torch.save({"training": training_state(self.model, self.env), "progress": self.progress.state()}, content)
        self.folder.write(_file_name(step), content.getvalue(), step=step, segments=listed)
        for path in self.folder.checkpoints()[N_KEPT:]:
            path.unlink()
        if self.segments:
            oldest = self.folder.checkpoints()[-1]
            self.segments.remove_unused(self._n_added(_step_of(oldest)))

    def _read_segments(self, listed: list[list[Any]], step: int) -> bool:
        if self.segments is None:
            return True
        try:
            self.segments.read(listed, self._n_added(step))
        except DamagedError as error:
            logger.warning("%s; a checkpoint that does not need it is tried", error)
            return False
        return True

    def _remove_unusable(self, step: int) -> None:
        for path in self.folder.checkpoints():
            if _step_of(path) > step:
                path.unlink()
        for path in self.folder.folder.glob(".*.tmp"):
            path.unlink()

    def _n_added(self, step: int) -> int:
        """Return how many rows a replay buffer has been given by a step: one for all environments."""
        return step // int(self.model.n_envs)


class CheckpointCallback(BaseCallback):
    """Write checkpoints between rollouts, and stop there when asked to.

    Parameters
    ----------
    checkpoints : Checkpoints
        What writes them.
    every_steps : int
        Steps between two of them, at least.
    period_s : float
        Seconds between two of them, at least.
    stop : callable
        Returns the number of the signal that asks for an end, or None.
    """

    def __init__(
        self, checkpoints: Checkpoints, every_steps: int, period_s: float, stop: Callable[[], int | None]
    ) -> None:
        super().__init__()
        self.checkpoints, self.every_steps, self.period_s, self.stop = checkpoints, every_steps, period_s, stop
        self.seconds_spent = 0.0
        self.n_written = 0
        self._written_at = time.monotonic()
        self._written_step = 0

    def _on_training_start(self) -> None:
        self.model._num_timesteps_at_start = 0  # as if there had been one call of `learn`: it stands in the model file
        self._written_at, self._written_step = time.monotonic(), self.model.num_timesteps

    def _on_rollout_start(self) -> None:
        step = self.model.num_timesteps
        asked = self.stop()
        due = step - self._written_step >= self.every_steps and time.monotonic() - self._written_at >= self.period_s
        if due or asked is not None:
            self._write(step)
        if asked is not None:
            raise TrainingInterruptedError(asked, step)

    def _on_step(self) -> bool:
        return True

    def _write(self, step: int) -> None:
        started_at = time.monotonic()
        try:
            self.checkpoints.write()
        except ArtifactError as error:
            logger.warning("no checkpoint at step %d, the one before it stays: %s", step, error)
        else:
            self.n_written += 1
            self.checkpoints.progress.checkpoint_step = step
        self._written_at, self._written_step = time.monotonic(), step
        self.seconds_spent += self._written_at - started_at


class TrainingInterruptedError(RuntimeError):
    """A signal has ended the training, after a last checkpoint.

    Parameters
    ----------
    number : int
        Of the signal.
    step : int
        Where the training stands.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name} at step {step}; started again, it goes on there")
        self.exit_status = INTERRUPTED + number


def _file_name(step: int) -> str:
    return f"step_{step:012d}.sealed"


def _step_of(path: Path) -> int:
    return int(path.stem.removeprefix("step_"))
