import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from iquitos_citylearn.env.batch import Batch
from iquitos_citylearn.env.kernels import cache_folder
from iquitos_citylearn.params import Params, load_params
from iquitos_citylearn.site.citylearn_files.reader import read_dataset
from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.site.model import Site
from tests import leftovers
from tests.defaults import PARAMS
from tests.pipelines import TINY, copy_project, repro, set_params
from tests.small import setting_of, small_site, with_demand_charge, years_of

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

os.environ["DVC_NO_ANALYTICS"] = "true"  # of DVC in folders that tests make


def pytest_configure(config):
    leftovers.watch(config)


class Stored(NamedTuple):
    """A site as a CityLearn data set on disk."""

    schema: Path
    site: Site


@pytest.fixture(scope="session")
def params() -> Params:
    """The default params."""
    return load_params(PARAMS)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_folder(tmp_path_factory):
    """Give this process and those that it starts a temporary folder that goes with pytest's own."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setenv("DVC_SITE_CACHE_DIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)  # found anew
        yield folder


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels(params):
    """Compile the kernels, where they are not cached, once: the test processes would all do so at the same time."""
    cache_folder.mkdir(parents=True, exist_ok=True)
    with FileLock(cache_folder / "tests.lock"):
        batch = Batch(setting_of([small_site(4)], params), 1)
        batch.start_year(0, 0)
        batch.step(np.zeros(batch.outputs.charger_reward.shape))


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A function that writes a site as a data set and reads it back."""

    def write(site):
        folder = tmp_path_factory.mktemp("dataset")
        write_dataset(site, folder)
        schema = folder / "schema.json"
        return Stored(schema, read_dataset(schema))

    return write


@pytest.fixture(scope="session")
def stored(store) -> Stored:
    """A site of 3 chargers and 72 steps with a battery on automatic dispatch, read from its data set.

    A car is connected across each midnight of this draw, so that it is replayed in one part, without processes.
    """
    return store(small_site(4))


@pytest.fixture(scope="session")
def stored_without_bess(store) -> Stored:
    """The same without a stationary battery."""
    return store(small_site(4, bess="none"))


@pytest.fixture(scope="session")
def stored_agent_bess(store) -> Stored:
    """The same with the battery under the agent, and a demand charge over two months."""
    return store(with_demand_charge(small_site(4, bess="agent")))


@pytest.fixture(scope="session")
def training_folder(tmp_path_factory, stored) -> Path:
    """Four training years of the stored site in compact files."""
    folder = tmp_path_factory.mktemp("training")
    for year, site in enumerate(years_of(stored.site, 4), start=1):
        write_draw(site, folder / str(year))
    return folder


@pytest.fixture(scope="session")
def first_run(tmp_path_factory, worker_id):
    """The one tiny run, and its stages in their order; the first process that needs it makes it for all of them."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder, done = shared / "first_run", shared / "first_run.json"
    with FileLock(shared / "first_run.lock"):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            copy_project(folder)
            set_params(folder, TINY)
            status, ran, output = repro(folder)
            assert status == 0, output
            done.write_text(json.dumps(ran))
    return folder, json.loads(done.read_text())


@pytest.fixture
def project(first_run, tmp_path):
    """Return a copy of the project in which everything is up to date."""
    folder = tmp_path / "project"
    shutil.copytree(first_run[0], folder, symlinks=True)
    return folder
