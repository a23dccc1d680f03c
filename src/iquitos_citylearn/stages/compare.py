"""Stage compare: every policy's result side by side."""

from iquitos_citylearn.artifacts import write_bytes, write_json
from iquitos_citylearn.comparison import compare, read_results
from iquitos_citylearn.comparison_text import comparison_text
from iquitos_citylearn.environment import describe_environment
from iquitos_citylearn.params import Params
from iquitos_citylearn.seed_statistics import Resampling
from iquitos_citylearn.stages.folders import METRICS

POLICIES = (
    "UNCONTROLLED",
    "REQUIRED",
    "LATEST",
    "LEAST_LAXITY",
    "SOLAR_FOLLOWING",
    "RANDOM",
    "IDLE",
    "OPTIMUM",
    "SAC",
    "PPO",
    "A2C",
)


def compare_results(params: Params) -> str:
    """Write `comparison.json`, `comparison.md` and `environment.json`; return the readable text."""
    results = read_results(METRICS / f"result_{name}.json" for name in POLICIES)
    chosen = params.evaluation
    resampling = Resampling(chosen.bootstrap_resamples, chosen.confidence_level, chosen.bootstrap_seed)
    comparison = compare(results, resampling)
    text = comparison_text(comparison)
    write_json(METRICS / "comparison.json", comparison)
    write_bytes(METRICS / "comparison.md", text.encode("utf-8"))
    write_json(METRICS / "environment.json", describe_environment())
    return text
