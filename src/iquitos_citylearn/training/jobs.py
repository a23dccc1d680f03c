"""What a training process is told."""

from dataclasses import dataclass
from pathlib import Path

from iquitos_citylearn.params import AgentParams, Params

FINISHED = "finished.sealed"
"""File of a seed's checkpoint folder that holds the finished training: model, curve and record."""
INTERRUPTED = 128
"""Exit status of a training that a signal has ended: this plus the signal's number."""
STALLED = 75
"""Exit status of a training that the watchdog has ended."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a training is run; none of it changes a result.

    Attributes
    ----------
    checkpoint_period_s : float
        Shortest time between two checkpoints [s].
    stall_timeout_s : float
        Longest time without a step before the watchdog ends the training [s].
    max_hours : float
        Longest time of the whole training [h]; infinity for none.
    from_scratch : bool
        Whether checkpoints are removed first.
    """

    checkpoint_period_s: float
    stall_timeout_s: float
    max_hours: float
    from_scratch: bool


@dataclass(frozen=True, kw_only=True)
class SeedJob:
    """The training of one seed.

    Attributes
    ----------
    agent, seed : str, int
        Which training.
    params : Params
        The whole params file; `train.<agent>`, `environment` and `reward` are used.
    training_folder : Path
        Draws of the site (`data/training`).
    checkpoint_folder : Path
        Where the seed's checkpoints and its finished training go.
    status_file : Path
        JSON that says how far it is.
    checkpoint_period_s : float
        Shortest time between two checkpoints [s].
    """

    agent: str
    seed: int
    params: Params
    training_folder: Path
    checkpoint_folder: Path
    status_file: Path
    checkpoint_period_s: float

    @property
    def agent_params(self) -> AgentParams:
        """Params of the agent."""
        return self.params.agent(self.agent)
