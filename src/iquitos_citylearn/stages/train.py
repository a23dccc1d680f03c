"""Stage train_<agent>: every seed of one agent on the training years."""

from pathlib import Path

from iquitos_citylearn.params import Params
from iquitos_citylearn.training.agent import train_agent
from iquitos_citylearn.training.jobs import RunOptions

TRAINING_FOLDER = Path("data/training")


def train(agent: str, params: Params, options: RunOptions) -> None:
    """Write `models/<agent>/`: a model per seed, the learning curve and the record of what was trained."""
    train_agent(
        agent,
        params,
        options,
        training_folder=TRAINING_FOLDER,
        model_folder=Path("models") / agent,
        run_folder=Path("runs") / f"train_{agent}",
        checkpoint_folder=Path("checkpoints") / agent,
    )
