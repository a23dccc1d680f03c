"""A training's log for TensorBoard: losses and reward terms, of which nothing depends."""

import logging
import shutil
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

logger = logging.getLogger(__name__)


class ForgivingTensorBoard(TensorBoardOutputFormat):
    """TensorBoard's format, which ends where it can't be written any more; the training goes on."""

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Write values of a step."""
        if self._is_closed:
            return
        try:
            super().write(key_values, key_excluded, step)
        except OSError as error:
            self._is_closed = True
            logger.warning("no TensorBoard log from here on: %s", error)

    def close(self) -> None:
        """Close the file, if it is one still."""
        if not self._is_closed:
            super().close()


def log_to_tensorboard(model: BaseAlgorithm, folder: Path, *, anew: bool) -> None:
    """Write losses and reward terms for TensorBoard into a folder; where that can't be, the training goes on."""
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        model.set_logger(Logger(str(folder), [ForgivingTensorBoard(str(folder))]))
    except OSError as error:
        logger.warning("%s: no TensorBoard log: %s", folder, error)
