import subprocess
import sys

import pytest
import yaml

from iquitos_citylearn.params import ParamsError
from iquitos_citylearn.study.__main__ import main, parts
from iquitos_citylearn.study.case import prepare_case
from tests.pipelines import copy_sources


def dvc(folder, *arguments):
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project with the default params."""
    folder = tmp_path_factory.mktemp("root")
    copy_sources(folder)
    return folder


def test_a_case_is_a_pipeline_of_its_own_on_overlaid_params(tmp_path, root):
    overlay, folder = tmp_path / "short.yaml", tmp_path / "cases" / "short"
    overlay.write_text("site: {calendar: {n_days: 3}}\n")
    prepare_case(folder, overlay, root)
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    prepare_case(folder, overlay, root)  # a folder that is there is refreshed
    written = yaml.safe_load((folder / "params.yaml").read_text())
    assert written["site"]["calendar"] == {"year": 2023, "n_days": 3}
    assert (folder / "dvc.yaml").read_bytes() == (root / "dvc.yaml").read_bytes()
    assert (folder / "src").resolve() == root / "src"
    assert (folder / "data" / "raw").resolve() == root / "data" / "raw"
    assert "train_sac" in dvc(folder, "stage", "list", "--name-only").split()
    assert dvc(folder, "config", "core.analytics").split() == ["false"], "a case reports to nobody"


def test_an_overlay_that_does_not_fit_changes_nothing(tmp_path, root):
    overlay, folder = tmp_path / "wrong.yaml", tmp_path / "case"
    overlay.write_text("site: {calendar: {n_days: 0}}\n")
    with pytest.raises(ParamsError, match=r"site\.calendar\.n_days is 0"):
        prepare_case(folder, overlay, root)
    assert list(folder.iterdir()) == []


def test_every_overlay_of_the_study_is_a_part_of_it_and_fits_the_params(tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    overlays = sorted((root / "study" / "params").glob("*.yaml"))
    assert {overlay.stem for overlay in overlays} <= set(parts())
    for overlay in overlays:
        prepare_case(tmp_path / overlay.stem, overlay, root)


def test_an_unknown_part_lists_the_valid_ones():
    with pytest.raises(ValueError, match="part is 'nothing'; valid are front, citylearn_kpis"):
        main(["nothing"])
