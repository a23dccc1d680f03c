import pytest

from iquitos_citylearn.training.jobs import FINISHED
from iquitos_citylearn.training.sealed_file import read_sealed
from tests.faults.project import LONGER, Project
from tests.trainings import job_in, training_process


@pytest.fixture
def project(tmp_path, params, training_folder):
    made = Project(tmp_path, params, training_folder, **LONGER)
    yield made
    made.end()


@pytest.fixture(scope="package")
def left_alone(tmp_path_factory, params, training_folder):
    """The finished training of that project, from a process that nothing happened to."""
    folder = tmp_path_factory.mktemp("left_alone")
    job = job_in(folder, "ppo", params, training_folder, **LONGER)
    process = training_process(job, folder / "log.txt")
    process.join()
    return read_sealed(job.checkpoint_folder / FINISHED)
