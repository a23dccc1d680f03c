"""Stage references: what there is to gain in every year, and what constant actions gain of it."""

from iquitos_citylearn.artifacts import write_json
from iquitos_citylearn.evaluation_years import read_evaluation_years, read_training_years
from iquitos_citylearn.params import Params
from iquitos_citylearn.references import as_content, best_constant, find_references
from iquitos_citylearn.stages.folders import DATA, REFERENCES

AGENTS = ("sac", "ppo", "a2c")
"""Names of the agents; what trains them is not needed here, and would make this stage stale."""


def write_references(params: Params) -> None:
    """Write `metrics/references.json`."""
    years = read_evaluation_years(params, DATA, "raw")
    references = find_references(years)
    mappings: list[str] = sorted({params.agent(agent).action_mapping for agent in AGENTS})
    constants = {
        mapping: best_constant(read_evaluation_years(params, DATA, mapping), references) for mapping in mappings
    }
    site = years.sites[0]
    content = as_content(
        references | find_references(read_training_years(params, DATA, "raw")),
        constants,
        bound_out_of_reach=site.bess is not None and site.bess_automatic,
    )
    write_json(REFERENCES, content)
