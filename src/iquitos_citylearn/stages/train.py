"""Stage train_<agent>: every seed of one agent on the training years."""

from pathlib import Path

from iquitos_citylearn.agents.training import train_agent
from iquitos_citylearn.params import Params

TRAINING_FOLDER = Path("data/training")


def train(agent: str, params: Params) -> None:
    """Write `models/<agent>/`: a model per seed, the learning curve and the record of what was trained."""
    train_agent(agent, params, TRAINING_FOLDER, Path("models") / agent, Path("runs") / f"train_{agent}")
