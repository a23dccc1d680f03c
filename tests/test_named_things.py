"""What README, docs, comments and docstrings name is there: paths, params keys, commands, links."""

from pathlib import Path

import pytest

from tests.named_things import (
    ROOT,
    Text,
    absent_commands,
    absent_keys,
    absent_paths,
    anchors,
    broken_links,
    is_key,
    messages_of,
    texts_of,
    texts_of_python,
)

DOCUMENTS = [
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/raw/SOURCES.md", "study/results/README.md")
    ),
    *sorted((ROOT / "docs").glob("*.md")),
]
SOURCES = [path for folder in ("src", "tests", "bench") for path in sorted((ROOT / folder).rglob("*.py"))]
SETTINGS = [ROOT / "params.yaml", *sorted((ROOT / "params").glob("*.yaml")), *sorted((ROOT / "study").rglob("*.yaml"))]
FILES = [file for file in DOCUMENTS + SOURCES + SETTINGS if file.name != Path(__file__).name]


def relative(file):
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_what_it_names_is_there(file):
    looks = (absent_paths, absent_keys, absent_commands)
    assert [(text.where, name) for text in texts_of(file) for look in looks for name in look(text)] == []


@pytest.mark.parametrize("file", [file for file in SOURCES if ROOT / "src" in file.parents], ids=relative)
def test_what_it_tells_a_user_to_run_is_there(file):
    assert [(text.where, name) for text in messages_of(file) for name in absent_commands(text)] == []


@pytest.mark.parametrize("file", DOCUMENTS, ids=relative)
def test_its_links_lead_somewhere(file):
    assert [link for text in texts_of(file) for link in broken_links(text)] == []


def markdown(words):
    return Text(ROOT / "docs" / "made_up.md", 1, words)


@pytest.mark.parametrize(
    "words",
    [
        "`docs/environment.md`, `env/physics.py`, `site/`, `tests/faults`, `physics.py`",
        "(docs/environment.md) and params/smoke.yaml.",
        "`metrics/result_<POLICY>.json`, `data/site/schema.json`, `models/<agent>/seed_<n>.zip`, `runs/`, `.study/x`",
        "`metrics/simulations/trace_*.csv`, kWh/m2, either/or, training/evaluation years, `/workspace/src/x.py`",
        "```\nsrc/nothing.py\n```",
    ],
)
def test_paths_that_are_there(words):
    assert absent_paths(markdown(words)) == []


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        ("`docs/gone.md`", ["docs/gone.md"]),
        ("see docs/gone.md, please (env/gone.py)", ["docs/gone.md", "env/gone.py"]),
        ("`env/gone`, `gone.py`", ["env/gone", "gone.py"]),
        ("`metrics/figures_<POLICY>.json`", ["metrics/figures_<POLICY>.json"]),
    ],
)
def test_paths_that_are_not(words, absent):
    assert absent_paths(markdown(words)) == absent


def test_keys():
    there = "`site.bess.dispatch: agent`, `train.<agent>.n_envs`, `pv.annual_energy_kwh`, `reward`, `site.model.Site`"
    there += " and `train.ppo.kwargs.learning_rate=0.001`, `evaluation.kpis.make_timeseries`"
    assert (
        absent_keys(markdown(there + " and `train.ppo.kwargs.learning_rate=0.001`, `evaluation.kpis.make_timeseries`"))
        == []
    )
    assert absent_keys(markdown("`train.sac.n_env`, `site.bess.dispatched`, `pv.tilt`, site.gone")) == [
        "pv.tilt", "site.bess.dispatched", "train.sac.n_env",
    ]  # fmt: skip
    assert is_key("a.<name>.c", {"a": {"b": {"c": None}}})
    assert not is_key("a.b.c", {"a": {"b": None}})


def test_commands():
    assert (
        absent_commands(markdown("`make repro`, `make bench PARTS=lp`\n```\niquitos train sac\n```\nmake sure")) == []
    )
    assert absent_commands(markdown("`make cake` or\n```\niquitos bake\n```\n")) == ["make cake", "iquitos bake"]


def test_links():
    readme = Text(
        ROOT / "README.md", 1, "[a](docs/environment.md), [b](docs/environment.md#the-environment), [c](#d)\n# D"
    )
    assert anchors("# What is *it*?\n## A, b") == {"what-is-it", "a-b"}
    assert broken_links(readme) == ["#d"]  # README.md itself has no such heading
    assert broken_links(markdown("[a](gone.md), [b](../README.md#gone), [c](https://example.org/x)")) == [
        "gone.md", "../README.md#gone",
    ]  # fmt: skip


def test_docstrings_and_comments_are_read():
    source = '"""Module."""\nX = 1  # comment\n"""Constant."""\n\n\ndef f():\n    """Function."""\n    return "text"\n'
    found = [(text.line, text.words) for text in texts_of_python(ROOT / "x.py", source)]
    assert found == [(1, "Module."), (3, "Constant."), (7, "Function."), (2, "# comment")]
