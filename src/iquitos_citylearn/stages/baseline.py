"""Stage baseline@<policy>: a rule or the optimum over the evaluation years, the headline year replayed in full."""

from iquitos_citylearn.evaluation.without_training import evaluate_without_training
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.register import policy_named


def evaluate_baseline(name: str, params: Params) -> None:
    """Write result, time series and trace of a policy without a model."""
    evaluate_without_training(policy_named(name, params), params)
