import base64
import io
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO, SAC

from iquitos_citylearn.agents.algorithms import algorithm_class, read_model, resolve_device, write_model
from iquitos_citylearn.training.seed import training_record
from tests.agents.small_agents import AGENTS, POLICIES, small_model, small_training
from tests.defaults import PARAMS, ROOT

CLASSES = {"sac": SAC, "ppo": PPO, "a2c": A2C}


@pytest.fixture(scope="module", params=[(agent, policy) for agent in AGENTS for policy in POLICIES], ids=str)
def trained(request, params, tmp_path_factory):
    """Return agent, policy, trained model and its file."""
    agent, policy = request.param
    model = small_training(params, agent, policy)
    path = tmp_path_factory.mktemp("model") / "seed_0.zip"
    write_model(path, model)
    return agent, policy, model, path


def test_the_params_name_the_three(params):
    assert {name: algorithm_class(agent.algorithm) for name, agent in params.train.agents.items()} == CLASSES


def test_the_classes_own_load_opens_it_and_predicts_the_same(trained, params):
    agent, _, model, path = trained
    low, high = model.observation_space.low, model.observation_space.high
    seen = np.random.default_rng(0).uniform(low, high, (30, len(low))).astype(np.float32)
    expected, _ = model.predict(seen, deterministic=True)
    assert expected.shape == (30, 3)
    assert expected.std() > 0.0
    for loaded in (CLASSES[agent].load(path, device="cpu"), read_model(params.agent(agent).algorithm, path)):
        np.testing.assert_array_equal(loaded.predict(seen, deterministic=True)[0], expected, strict=True)
        assert loaded.num_timesteps == model.num_timesteps


def test_training_moved_the_actor(trained, params):
    agent, policy, model, _ = trained
    untrained, _ = small_model(params, agent, policy)
    start, end = untrained.policy.state_dict(), model.policy.state_dict()
    assert start.keys() == end.keys()
    moved = [name for name in start if not torch.equal(start[name], end[name])]
    assert any("actor" in name or "policy_net" in name or "action_net" in name for name in moved)
    assert any("critic" in name or "value" in name for name in moved)
    assert all(torch.isfinite(values).all() for values in end.values())


@pytest.mark.parametrize("agent", AGENTS)
def test_learning_leaves_no_folder_of_logs(params, agent, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    small_training(params, agent)
    assert not any(tmp_path.glob("SB3-*"))


def test_whole_rollouts_are_trained_and_reported(trained):
    agent, _, model, _ = trained
    # SAC stops at 100; from 20 steps on every 4th step updates once: steps 24, 28, ..., 100.
    # PPO: 64 steps are two rollouts of 48, each learned in two epochs. A2C: three rollouts of 12 steps on 2
    # environments, an update each.
    expected = {"sac": (100, 20), "ppo": (96, 4), "a2c": (72, 3)}[agent]
    record = training_record(model)
    assert (record["timesteps"], record["updates"]) == expected
    assert record["updates_per_timestep"] == expected[1] / expected[0]


def contents(path):
    """Return what of a model is text or pickled, and what is binary: lists of name and bytes.

    Inner archives are opened and pickles decoded from base 64, which would hide what they hold.
    """
    readable, binary = [], []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "data":
                data = json.loads(content)
            elif zipfile.is_zipfile(io.BytesIO(content)):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    binary += [(f"{name}/{entry}", inner.read(entry)) for entry in inner.namelist()]
            else:
                readable.append((name, content))
    for key, value in data.items():
        if isinstance(value, dict) and ":serialized:" in value:
            assert set(value) == {":type:", ":serialized:"}
            readable += [(key, value[":type:"].encode()), (key, base64.b64decode(value[":serialized:"]))]
        else:
            readable.append((key, json.dumps({key: value}).encode()))
    return readable, binary


def test_nothing_of_host_path_interpreter_or_clock_is_in_it(trained):
    _, _, _, path = trained
    own = [
        str(Path.home()), str(ROOT), sys.prefix, str(Path(os.__file__).parent), socket.gethostname(),
        platform.python_version(), platform.release(), "site-packages", "<lambda>",
    ]  # fmt: skip
    readable, binary = contents(path)
    assert {"policy_class", "observation_space", "num_timesteps"} <= {name for name, _ in readable}
    assert any(name.startswith("policy.pth/") for name, _ in binary)
    for name, content in readable + binary:
        assert not re.search(rb"0x[0-9a-f]{6}", content), name
        for word in own:
            if len(word) > 6 or (name, content) in readable:  # shorter ones stand in numbers by chance
                assert word.encode() not in content, (name, word)
    for name, content in readable:
        assert b".py" not in content, name
        assert b"python" not in content.lower(), name
    assert not {"start_time", "_last_obs", "ep_info_buffer", "env", "system_info.txt"} & {name for name, _ in readable}
    with zipfile.ZipFile(path) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


IN_A_PROCESS = """
import sys
from pathlib import Path
from iquitos_citylearn.agents.algorithms import write_model
from iquitos_citylearn.training.seed import make_deterministic
from iquitos_citylearn.params import load_params
from tests.agents.small_agents import AGENTS, small_training
params = load_params(Path(sys.argv[1]))
for agent in AGENTS:
    make_deterministic(3)
    write_model(Path(agent + ".zip"), small_training(params, agent, seed=3))
"""


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    for folder, hash_seed in (("first", "1"), ("second", "2")):
        (tmp_path / folder).mkdir()
        own = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path / folder)}
        subprocess.run(
            [sys.executable, "-c", IN_A_PROCESS, PARAMS],
            cwd=tmp_path / folder,
            env=os.environ | own,
            check=True,
        )
    for agent in AGENTS:
        first, second = (tmp_path / folder / f"{agent}.zip" for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), agent


@pytest.mark.parametrize("agent", AGENTS)
def test_another_seed_gives_another_model(params, agent):
    models = [small_training(params, agent, seed=seed) for seed in (0, 1)]
    states = [torch.cat([v.flatten() for v in model.policy.state_dict().values()]) for model in models]
    assert not torch.equal(*states)


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"learnin_rate": 1e-3}, "unexpected keyword argument 'learnin_rate'"),
        ({"seed": 3}, "multiple values for keyword argument 'seed'"),
        ({"policy_kwargs": {"widht": 3}}, "unexpected keyword argument 'widht'"),
    ],
)
def test_a_keyword_argument_that_does_not_fit_is_named(params, agent, kwargs, message):
    with pytest.raises(ValueError, match=rf"train\.{agent}\.kwargs does not fit {agent.upper()}: .*{message}"):
        small_model(params, agent, class_kwargs=kwargs)


def test_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [resolve_device(agent, "auto") for agent in AGENTS] == ["cpu"] * 3
    with pytest.raises(ValueError, match=r"train\.ppo\.device is 'cuda', but torch .* finds no CUDA device here"):
        resolve_device("ppo", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [resolve_device(agent, "auto") for agent in AGENTS] == ["cuda"] * 3
    assert resolve_device("sac", "cpu") == "cpu"
