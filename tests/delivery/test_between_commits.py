"""What DVC says of two real commits that differ in PPO's learning rate."""

import json
import shlex
import sys

import pytest
import yaml

from tests.defaults import ROOT
from tests.delivery.conftest import NEW_RATE, OLD_RATE
from tests.pipelines import IDENTITY, dvc, run

pytestmark = pytest.mark.xdist_group("pipeline")

RATE = "train.ppo.kwargs.learning_rate"
PPO = "metrics/result_PPO.json"


def result_at(folder, revision):
    return json.loads(run(folder, "git", "show", f"{revision}:{PPO}"))


def test_the_learning_rate_of_ppo_is_nobody_elses_business(two_commits):
    assert two_commits.ran == ["train_ppo", "evaluate@ppo", "compare"]


def test_params_diff_names_the_learning_rate_alone(two_commits):
    changed = json.loads(dvc(two_commits.folder, "params", "diff", "HEAD~1", "HEAD", "--json"))
    assert changed == {"params.yaml": {RATE: {"old": OLD_RATE, "new": NEW_RATE, "diff": NEW_RATE - OLD_RATE}}}


def test_metrics_diff_has_the_numbers_of_both_commits(two_commits):
    old, new = (result_at(two_commits.folder, revision) for revision in ("HEAD~1", "HEAD"))
    changed = json.loads(dvc(two_commits.folder, "metrics", "diff", "HEAD~1", "HEAD", "--json"))
    assert {path for path in changed if "result_" in path} == {PPO}
    numbers = {key for key, value in old.items() if isinstance(value, float) and value != new[key]}
    assert numbers
    for key in numbers:
        assert changed[PPO][key] == {"old": old[key], "new": new[key], "diff": pytest.approx(new[key] - old[key])}


def test_plots_diff_draws_the_learning_curves_of_both(two_commits, tmp_path):
    dvc(two_commits.folder, "plots", "diff", "HEAD~1", "HEAD", "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Mean reward of a step while learning" in page
    assert '"rev": "HEAD~1"' in page
    assert '"rev": "HEAD"' in page


def test_report_is_markdown_with_params_and_results(two_commits):
    recipe = run(ROOT, "make", "--dry-run", "--no-print-directory", "--old-file=.venv/.ready", "report", "BASE=HEAD~1")
    report = run(two_commits.folder, "sh", "-ec", recipe.replace(".venv/bin/python", shlex.quote(sys.executable)))
    assert f"| params.yaml | {RATE} | {OLD_RATE} | {NEW_RATE}" in " ".join(report.split())
    assert "## Results" in report
    assert f"| {PPO} |" in " ".join(report.split())


def test_a_change_of_environment_is_seen(two_commits, tmp_path):
    folder = tmp_path / "clone"
    run(tmp_path, "git", "clone", "--quiet", str(two_commits.folder), str(folder))
    path = folder / "metrics" / "environment.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"numpy": "', '"numpy": "9.'), encoding="utf-8")
    changed = json.loads(dvc(folder, "metrics", "diff", "--json"))
    assert list(changed["metrics/environment.json"]) == ["packages.numpy"]


@pytest.mark.long
def test_exp_run_trains_with_another_rate_and_exp_show_shows_it(two_commits, tmp_path):
    folder = tmp_path / "clone"
    run(tmp_path, "git", "clone", "--quiet", str(two_commits.folder), str(folder))
    dvc(folder, "config", "--local", "cache.dir", str(two_commits.folder / ".dvc" / "cache"))
    dvc(folder, "checkout", "--quiet")
    dvc(folder, "exp", "run", "--name", "slower", "-S", f"{RATE}=0.001")
    assert yaml.safe_load((folder / "params.yaml").read_text())["train"]["ppo"]["kwargs"]["learning_rate"] == 0.001
    shown = dvc(folder, "exp", "show", "--md", "--only-changed")
    assert "slower" in shown
    assert "0.001" in shown


def test_models_are_artifacts_with_type_description_and_labels(two_commits):
    artifacts = yaml.safe_load((two_commits.folder / "dvc.yaml").read_text(encoding="utf-8"))["artifacts"]
    assert {artifact["path"] for artifact in artifacts.values()} == {"models/sac", "models/ppo", "models/a2c"}
    assert all(
        artifact["type"] == "model" and artifact["desc"] and artifact["labels"] for artifact in artifacts.values()
    )


def test_an_artifact_of_a_tag_is_fetched_by_name(two_commits, tmp_path):
    folder = two_commits.folder
    run(folder, *IDENTITY, "tag", "--force", "--annotate", "-m", "first release", "ppo@v0.0.1", "HEAD~1")
    dvc(folder, "artifacts", "get", ".", "ppo", "--rev", "v0.0.1", "--out", str(tmp_path / "ppo"))
    assert (tmp_path / "ppo" / "seed_0.zip").is_file()
