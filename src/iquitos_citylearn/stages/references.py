"""Stage references: the possible gain of every year, and the best constant actions."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from iquitos_citylearn.env.action import BESS_MAPPINGS, MAPPINGS
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.evaluation.captured_share import Reference
from iquitos_citylearn.evaluation.references import as_content, best_constants, bound_out_of_reach, find_references
from iquitos_citylearn.evaluation.years import read_evaluation_years, read_training_years
from iquitos_citylearn.params import Actions, Params
from iquitos_citylearn.runtime.artifacts import write_json
from iquitos_citylearn.runtime.folders import DATA, REFERENCES
from iquitos_citylearn.runtime.processes import process_pool


def write_references(params: Params) -> None:
    """Write `metrics/references.json`; constant actions are tried under every mapping, whatever the agents use."""
    with process_pool(__name__) as pool:
        training = pool.submit(_references_of, read_training_years, params)
        evaluation, out_of_reach = pool.submit(_references_of, read_evaluation_years, params).result()
        meanings = meanings_of_actions(params)
        constants = pool.map(partial(_best_constants, params=params, references=evaluation), meanings)
        content = as_content(
            evaluation | training.result()[0],
            dict(zip(meanings, constants, strict=True)),
            bound_out_of_reach=out_of_reach,
        )
    write_json(REFERENCES, content)


def meanings_of_actions(params: Params) -> list[Actions]:
    """Return every meaning that actions can have at a site; a battery's entry has one where an agent dispatches it."""
    of_bess = list(BESS_MAPPINGS) if params.site.bess_dispatch == "agent" else [Actions._field_defaults["bess"]]
    return [Actions(chargers, bess) for bess in of_bess for chargers in MAPPINGS]


def _references_of(read: Callable[..., Years], params: Params) -> tuple[dict[int, Reference], bool]:
    """Return the references of years, and whether the bounds are out of reach at their site."""
    years = read(params, DATA, Actions("raw"))
    return find_references(years), bound_out_of_reach(years[0].site)


def _best_constants(actions: Actions, params: Params, references: Mapping[int, Reference]) -> dict[str, dict[str, Any]]:
    return best_constants(read_evaluation_years(params, DATA, actions), references)
