"""Write into dvc.yaml what follows from the params, the register of policies and the imports; `make deps` calls this.

Stages, commands, data and params are written by hand. This program writes a training stage and an evaluation per agent
of the params, the policies of `baseline` and `rules`, the results that `compare` reads, and each stage's modules and
pins.
"""

import copy
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from iquitos_citylearn.params import Params, load_params
from iquitos_citylearn.policies.register import Kind, PolicyEntry, baselines, policies_of, rules_on_the_twin
from iquitos_citylearn.runtime.artifacts import write_bytes
from iquitos_citylearn.runtime.folders import REFERENCES, result_file
from iquitos_citylearn.tools.import_graph import ALGORITHMS, NUMERICS, SOURCES, is_module, modules_used_by, pins_used_by

PARAMS_FILE, PIPELINE_FILE = Path("params.yaml"), Path("dvc.yaml")
TRAIN = "train_"
ALGORITHM_PACKAGES = ("stable_baselines3", "sb3_contrib")
"""Pinned packages whose algorithms an agent can have."""
SHARED_PARAMS = ("arithmetic", "environment", "reward", "site.calendar.year", "site.draws")
"""Params that every evaluation reads, whatever the policy."""
LINE_WIDTH = 120


def write_pipeline(folder: Path = Path()) -> bool:
    """Bring the dvc.yaml of a folder up to date with its params; return whether that changed it.

    Raises
    ------
    ParamsError
        If the params are not valid; nothing is written then.
    ValueError
        If an agent has the name of another policy.
    """
    path = folder / PIPELINE_FILE
    yaml, before, after = _round_trip(), path.read_bytes(), io.BytesIO()
    pipeline = yaml.load(before)
    params = load_params(folder / PARAMS_FILE)
    _follow_params(pipeline, params)
    _follow_imports(pipeline, params)
    yaml.dump(pipeline, after)
    if after.getvalue() == before:
        return False
    write_bytes(path, after.getvalue())
    return True


def stages(pipeline: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and definition of every stage; of a `foreach` the template."""
    for name, stage in pipeline["stages"].items():
        yield name, stage.get("do", stage)


def entry_of(stage: str) -> Path:
    """Return the module that a stage's command hands over to: one of the stage's name, for all trainings one."""
    return SOURCES / "stages" / f"{'train' if stage.startswith(TRAIN) else stage}.py"


def pins_of(stage: str, params: Params) -> set[str]:
    """Return the pins of numerics.yaml that a stage uses: by its imports, and by the algorithms that it loads.

    Evaluations share one list, which names every package of algorithms: a further agent makes no other one stale.
    """
    entry = entry_of(stage)
    if ALGORITHMS not in modules_used_by(entry):
        return pins_used_by(entry)
    if not stage.startswith(TRAIN):
        return pins_used_by(entry, ALGORITHM_PACKAGES)
    algorithm = params.train.agents[stage.removeprefix(TRAIN)].algorithm
    return pins_used_by(entry, {algorithm.partition(".")[0]})


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.width = LINE_WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _follow_params(pipeline: dict[str, Any], params: Params) -> None:
    entries, defined = policies_of(params), pipeline["stages"]
    agents = [entry for entry in entries if entry.kind is Kind.AGENT]
    _set_items(defined["baseline"]["foreach"], baselines(params))
    _set_items(defined["evaluate"]["foreach"], agents)
    rules = rules_on_the_twin(params)
    defined["rules"]["metrics"][:] = [{_result(entry): {"cache": False}} for entry in rules]
    _set_params(defined["rules"]["params"], rules)
    _set_params(defined["baseline"]["do"]["params"], baselines(params))
    deps = defined["compare"]["deps"]
    modules = (dependency for dependency in deps if is_module(dependency))
    deps[:] = [REFERENCES.as_posix(), *map(_result, entries), *modules]
    _set_agents(pipeline, [entry.name for entry in agents], params)


def _set_params(items: list[Any], entries: list[PolicyEntry]) -> None:
    """Keep the params that every evaluation reads, and name after them what these policies read besides."""
    read = {name for entry in entries for name in entry.params if name.partition(".")[0] not in SHARED_PARAMS}
    kept = [item for item in items if not isinstance(item, str) or item in SHARED_PARAMS]
    items[:] = sorted([*kept, *sorted(read)], key=lambda item: not isinstance(item, str))


def _set_items(items: dict[str, str], entries: list[PolicyEntry]) -> None:
    items.clear()
    items.update({entry.name: entry.result_name for entry in entries})


def _result(entry: PolicyEntry) -> str:
    return result_file(entry.result_name).as_posix()


def _set_agents(pipeline: dict[str, Any], agents: list[str], params: Params) -> None:
    """Keep a training stage, an artifact and a learning curve for each agent, a new one's after those there."""
    defined = pipeline["stages"]
    trained = [name.removeprefix(TRAIN) for name in defined if name.startswith(TRAIN)]
    template, at = trained[0], list(defined).index(f"{TRAIN}{trained[-1]}")
    for agent in (name for name in agents if name not in trained):
        at += 1
        stage = _renamed(defined[f"{TRAIN}{template}"], template, agent)
        stage["desc"] = f"Train {params.train.agents[agent].algorithm}, one model per seed"
        defined.insert(at, f"{TRAIN}{agent}", stage)
        pipeline["artifacts"][agent] = {
            "path": f"models/{agent}",
            "type": "model",
            "desc": f"Charging agents trained with {params.train.agents[agent].algorithm}",
        }
    for agent in (name for name in trained if name not in agents):
        del defined[f"{TRAIN}{agent}"]
        pipeline["artifacts"].pop(agent, None)
    curves = pipeline["plots"][0]["learning_curves"]["y"]
    curves.clear()
    curves.update({f"models/{agent}/{agent}_progress.csv": "reward" for agent in agents})


def _renamed(node: Any, old: str, new: str) -> Any:
    """Return a copy of a stage in which an agent's name is another's, wherever it is a whole word."""
    if isinstance(node, dict):
        made = copy.deepcopy(node)
        for key in made:
            made[key] = _renamed(made[key], old, new)
        return made
    if isinstance(node, list):
        return [_renamed(item, old, new) for item in node]
    if isinstance(node, str):
        for form in (f"train {old}", f"train.{old}", f"models/{old}"):
            node = node.replace(form, form.removesuffix(old) + new)
    return node


def _follow_imports(pipeline: dict[str, Any], params: Params) -> None:
    for name, stage in stages(pipeline):
        entry = entry_of(name)
        modules = sorted(module.as_posix() for module in modules_used_by(entry))
        stage["deps"][:] = [dependency for dependency in stage["deps"] if not is_module(dependency)] + modules
        next(item for item in stage["params"] if NUMERICS in item)[NUMERICS] = sorted(pins_of(name, params))


def main() -> None:
    """Rewrite dvc.yaml in this folder."""
    changed = write_pipeline()
    sys.stdout.write(f"{PIPELINE_FILE}: {'brought up to date' if changed else 'is up to date'}\n")


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
