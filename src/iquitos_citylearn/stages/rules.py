"""Stage rules: the rules whose headline year is not replayed in full, on the twin; some weeks of each are certified."""

from functools import partial

from iquitos_citylearn.env.replay import CITYLEARN
from iquitos_citylearn.evaluation.without_training import evaluate_without_training
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.register import rules_on_the_twin
from iquitos_citylearn.runtime.processes import run_in_processes


def evaluate_rules(params: Params) -> None:
    """Write the result of each of these rules; they are run in processes side by side."""
    run_in_processes(partial(evaluate_without_training, params=params), rules_on_the_twin(params), CITYLEARN)
