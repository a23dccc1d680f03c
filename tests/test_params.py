import copy

import pytest
import yaml

from iquitos_citylearn.params import RAW, Params, ParamsError, load_params, validate_params
from tests.defaults import PARAMS

DEFAULTS = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))

STATED = {
    "site.location.latitude_deg": -3.75,
    "site.location.longitude_deg": -73.25,
    "site.location.altitude_m": 104,
    "site.location.utc_offset_hours": -5,
    "site.calendar.n_days": 365,
    "site.pv.rated_power_kwp": 4162,
    "site.pv.annual_energy_kwh": 8030119,
    "site.pv.inverter_limit_kw": 2886.69,
    "site.pv.tilt_deg": 10,
    "site.pv.azimuth_deg": 0,
    "site.mall.annual_energy_kwh": 3092204,
    "site.mall.peak_kw": 690.75,
    "site.bess.energy_capacity_kwh": 4520,
    "site.bess.power_kw": 2712,
    "site.bess.energy_min_kwh": 1169,
    "site.bess.energy_initial_kwh": 2260,
    "site.bess.efficiency_round_trip": 0.90,
    "site.grid.carbon_intensity_kg_per_kwh": 0.4521,
    "site.grid.tariff_usd_per_kwh": 0.20,
    "site.charging.opening_hour": 9,
    "site.charging.closing_hour": 22,
    "site.charging.charger_efficiency": 0.95,
    "site.charging.energy_requested_kwh_per_day": 903,
    "site.charging.fleets.moto.n_chargers": 112,
    "site.charging.fleets.moto.power_kw": 2.0,
    "site.charging.fleets.moto.battery_kwh": 2.5,
    "site.charging.fleets.moto.arrival_soc": 0.20,
    "site.charging.fleets.moto.required_soc": 0.90,
    "site.charging.fleets.mototaxi.n_chargers": 16,
    "site.charging.fleets.mototaxi.power_kw": 3.0,
    "site.charging.fleets.mototaxi.battery_kwh": 4.5,
    "site.charging.fleets.mototaxi.arrival_soc": 0.25,
    "site.charging.fleets.mototaxi.required_soc": 0.85,
    "environment.evening_peak_hours": (18, 19, 20, 21),
    "site.grid.peak_tariff_hours": (18, 19, 20, 21),
    "reward.priority_mode": "co2_focus",
    "reward.weights.co2_focus.co2": 0.50,
    "reward.weights.co2_focus.solar_self_consumption": 0.20,
    "reward.weights.co2_focus.cost": 0.15,
    "reward.weights.co2_focus.ev_satisfaction": 0.10,
    "reward.weights.co2_focus.grid_stability": 0.05,
    "train.sac.total_timesteps": 26280,
    "train.sac.kwargs.batch_size": 256,
    "train.sac.kwargs.learning_rate": 5e-5,
    "train.ppo.total_timesteps": 100000,
    "train.ppo.kwargs.batch_size": 128,
    "train.ppo.kwargs.learning_rate": 3e-4,
    "train.a2c.total_timesteps": 100000,
    "train.a2c.kwargs.learning_rate": 3e-4,
}
"""What the site and the task state: a default in `params.yaml`, to the digit."""


def value_at(node, path):
    for part in path.split("."):
        node = node[part] if isinstance(node, dict) else getattr(node, part)
    return node


def changed(**values):
    """Return the default params with values at dotted paths, a double underscore for each dot."""
    content = copy.deepcopy(DEFAULTS)
    for path, value in values.items():
        *folders, name = path.split("__")
        value_at(content, ".".join(folders))[name] = value
    return content


def problems(content):
    with pytest.raises(ParamsError) as error:
        validate_params(content, "params.yaml")
    first, *lines = str(error.value).splitlines()
    assert first == f"params.yaml: {len(lines)} problem(s)"
    return [line.strip() for line in lines]


@pytest.mark.parametrize("path", STATED)
def test_a_stated_figure_is_the_default(params, path):
    assert value_at(params, path) == STATED[path]


@pytest.mark.parametrize("agent", ["ppo", "a2c"])
def test_a_rollout_is_1024_steps(params, agent):
    chosen = params.agent(agent)
    assert chosen.n_envs * chosen.kwargs["n_steps"] == 1024


def test_there_are_three_seeds_and_no_agent_trains_on_the_headline_year(params):
    for agent in params.train.agents.values():
        assert len(agent.seeds) == 3
    assert params.train.agents["a2c"].device in ("auto", "cpu")
    assert len(params.site.draws.training_seeds) >= 4
    assert params.site.draws.headline_seed not in params.site.draws.training_seeds


def test_every_value_stands_under_a_comment():
    described = set()  # indents at which a comment of the section at hand stands
    for line in PARAMS.read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("#"):
            described = {depth for depth in described if depth < indent} | {indent}
        elif line.rstrip().endswith(":"):
            described = {depth for depth in described if depth <= indent}
        elif line.strip():
            assert any(min(1, indent) <= depth <= indent for depth in described), line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"site__pv__tilt": 10}, r"site.pv.tilt is 10: Extra inputs are not permitted"),
        ({"reward__weights__co2_focus__co2": 0.6}, "reward.weights.co2_focus: weights sum to 1.1; they must sum to 1"),
        (
            {"site__bess__energy_min_kwh": 5000},
            "site.bess: energy_min_kwh is 5000.0, not below energy_capacity_kwh 4520.0",
        ),
        (
            {"site__bess__energy_initial_kwh": 1000},
            "site.bess: energy_initial_kwh is 1000.0, outside energy_min_kwh to energy_capacity_kwh (1169.0 to 4520.0)",
        ),
        ({"site__bess__power_kw": -1}, "site.bess.power_kw is -1: Input should be greater than 0"),
        ({"site__grid__import_limit_kw": 0}, "site.grid.import_limit_kw is 0: Input should be greater than 0"),
        (
            {"site__grid__import_limit_kw": 400},
            "site: grid.import_limit_kw is 400; allowed: none with a battery on automatic dispatch",
        ),
        ({"site__pv__rated_power_kwp": 0}, "site.pv.rated_power_kwp is 0: Input should be greater than 0"),
        (
            {"site__charging__fleets__moto__n_chargers": 0},
            "site.charging.fleets.moto.n_chargers is 0: Input should be greater than or equal to 1",
        ),
        (
            {"site__charging__fleets__moto__power_kw": -2.0},
            "site.charging.fleets.moto.power_kw is -2.0: Input should be greater than 0",
        ),
        (
            {"site__charging__closing_hour": 8},
            "site.charging: opening_hour is 9, not before closing_hour 8",
        ),
        (
            {"site__charging__opening_hour": 0, "site__charging__closing_hour": 24},
            "site.charging: opening_hour is 0 and closing_hour 24; allowed: at most 23 hours open",
        ),
        (
            {"site__charging__staff_stay_hours": [9, 6]},
            "site.charging: staff_stay_hours is [9, 6]: the shortest stay exceeds the longest",
        ),
        (
            {"site__charging__fleets__moto__arrival_soc": 0.95},
            "site.charging.fleets.moto: arrival_soc is 0.95, not below required_soc 0.9",
        ),
        (
            {"site__charging__charger_efficiency": 1.2},
            "site.charging.charger_efficiency is 1.2: Input should be less than or equal to 1",
        ),
        ({"site__calendar__n_days": 366}, "site.calendar.n_days is 366: Input should be less than or equal to 365"),
        (
            {"site__calendar__year": 2024},
            "site.calendar: year is 2024, a leap year; 8,760 rows need a year without 29 February",
        ),
        (
            {"site__draws__headline_seed": 1},
            "site.draws: training_seeds holds the headline seed 1: agents would train on it",
        ),
        (
            {"site__draws__evaluation_seeds": [3, 101]},
            "site.draws: evaluation_seeds holds training seeds [3]: agents would be judged on what they saw",
        ),
        (
            {"site__draws__evaluation_seeds": [2023, 101]},
            "site.draws: evaluation_seeds holds the headline seed 2023, which is evaluated anyway",
        ),
        ({"site__draws__training_seeds": [1, 2, 3, 3]}, "site.draws: training_seeds has a seed twice: [1, 2, 3, 3]"),
        (
            {"environment__evening_peak_hours": [18, 24]},
            "environment.evening_peak_hours.1 is 24: Input should be less than or equal to 23",
        ),
        ({"site__grid__peak_tariff_hours": []}, "site.grid.peak_tariff_hours: Tuple should have at least 1 item"),
        ({"evaluation__least_laxity_limit_share": 1.5}, "evaluation.least_laxity_limit_share is 1.5: Input should be"),
        ({"environment__forecast_hours": 0}, "environment.forecast_hours is 0: Input should be greater than or equal"),
        (
            {"reward__priority_mode": "fast"},
            "reward: priority_mode is 'fast'; weights has ['balanced', 'co2_focus', 'cost_focus']",
        ),
        ({"reward__total_scale": "3e-05"}, "reward.total_scale is '3e-05': Input should be a valid number"),
        (
            {"train__sac__kwargs__learning_rate": "3e-05"},
            "train.sac: kwargs.learning_rate is the text '3e-05'; YAML reads it as a number when written 3e-05",
        ),
        ({"train__sac__device": "gpu"}, "train.sac.device is 'gpu': Input should be 'auto', 'cpu' or 'cuda'"),
        (
            {"train__ppo__action_mapping": "full"},
            "train.ppo.action_mapping is 'full': Input should be 'raw', 'dead_zones', 'need_limited'",
        ),
        (
            {"train__ppo__bess_mapping": "level"},
            "train.ppo.bess_mapping is 'level': Input should be 'greedy_offset', 'import_target', 'level_offset' or",
        ),
        ({"environment__level__floor_share": -0.1}, "environment.level.floor_share is -0.1: Input should be greater"),
        ({"environment__level__peak_share": 2.1}, "environment.level.peak_share is 2.1: Input should be less than or"),
        ({"environment__level__mild__load_std": 6}, "environment.level.mild.load_std is 6: Input should be less than"),
        (
            {"environment__level__cautious__pv_error": -5.1},
            "environment.level.cautious.pv_error is -5.1: Input should be greater than or equal to -5",
        ),
        (
            {"environment__level__cautious__pv_beyond": 2.5},
            "environment.level.cautious.pv_beyond is 2.5: Input should be less than or equal to 2",
        ),
        ({"control__mpc__n_scenarios": 0}, "control.mpc.n_scenarios is 0: Input should be greater than or equal to 1"),
        ({"control__mpc__spread": -1}, "control.mpc.spread is -1: Input should be greater than or equal to 0"),
        ({"control__mpc__pv_share": 5.5}, "control.mpc.pv_share is 5.5: Input should be less than or equal to 5"),
        ({"control__mpc__stored_worth_share": 1.1}, "control.mpc.stored_worth_share is 1.1: Input should be"),
        ({"control__mpc__peak_weight": 1}, "control.mpc.peak_weight"),
        ({"control__rollout__n_scenarios": 1001}, "control.rollout.n_scenarios is 1001: Input should be less than or"),
        ({"control__rollout__seed": -1}, "control.rollout.seed is -1: Input should be greater than or equal to 0"),
        ({"control__rollout__peak_weight_end": -1}, "control.rollout.peak_weight_end is -1: Input should be greater"),
        ({"train__profile": "flat"}, "train.profile is 'flat': Input should be 'shipped', 'raw' or 'plain'"),
        ({"train__ppo__seeds": []}, "train.ppo.seeds: Tuple should have at least 1 item"),
        ({"train__ppo__seeds": [1, 1]}, "train.ppo: seeds has a seed twice: [1, 1]"),
        ({"train__ppo__total_timesteps": 100.5}, "train.ppo.total_timesteps is 100.5: Input should be a valid integer"),
        ({"train__ppo__total_timesteps": True}, "train.ppo.total_timesteps is True: Input should be a valid integer"),
        ({"site__grid__tariff_usd_per_kwh": "0.20"}, "site.grid.tariff_usd_per_kwh is '0.20': Input should be a valid"),
        ({"site__grid__tariff_usd_per_kwh": None}, "site.grid.tariff_usd_per_kwh is None: Input should be a valid num"),
        (
            {"site__grid__peak_tariff_usd_per_kwh": -0.1},
            "site.grid.peak_tariff_usd_per_kwh is -0.1: Input should be gr",
        ),
        (
            {"site__grid__demand_charge_usd_per_kw_month": None},
            "site.grid.demand_charge_usd_per_kw_month is None: Input should be a valid number",
        ),
        ({"site__bess__dispatch": "me"}, "site.bess.dispatch is 'me': Input should be 'automatic' or 'agent'"),
        ({"site__mall__peak_kw": float("nan")}, "site.mall.peak_kw is nan: Input should be"),
        ({"site__mall__peak_kw": float("inf")}, "site.mall.peak_kw is inf: Input should be a finite number"),
        ({"site__mall": None}, "site.mall is None: Input should be a valid dictionary"),
    ],
)
def test_each_wrong_value_is_one_message_with_field_and_range(change, message):
    found = problems(changed(**change))
    assert len(found) == 1
    assert found[0].startswith(message)


def test_a_missing_key_is_named():
    content = changed()
    del content["site"]["bess"]["power_kw"]
    assert problems(content) == ["site.bess.power_kw: Field required"]


def test_all_problems_come_at_once():
    content = changed(
        site__bess__power_kw=-1,
        site__pv__tilt=10,
        reward__weights__balanced__co2=0.3,
        train__a2c__device="tpu",
        site__charging__closing_hour=9,
    )
    found = problems(content)
    fields = [line.split(" ")[0].rstrip(":") for line in found]
    assert sorted(fields) == [
        "reward.weights.balanced", "site.bess.power_kw", "site.charging", "site.pv.tilt", "train.a2c.device",
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, [], "text", 3])
def test_a_file_that_holds_no_object_is_one_problem(content):
    (line,) = problems(content)
    assert line.startswith("the file")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ParamsError, match=r"missing\.yaml: cannot be read: No such file"):
        load_params(tmp_path / "missing.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ParamsError, match=r"bad\.yaml: is not YAML"):
        load_params(tmp_path / "bad.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: año".encode("latin-1"))
    with pytest.raises(ParamsError, match=r"latin\.yaml: is not YAML"):
        load_params(tmp_path / "latin.yaml")


def test_what_yaml_reads_as_text_is_caught_in_a_real_file(tmp_path):
    text = PARAMS.read_text(encoding="utf-8")
    assert "learning_rate: 5.0e-5" in text
    (tmp_path / "params.yaml").write_text(text.replace("learning_rate: 5.0e-5", "learning_rate: 5e-5"))
    with pytest.raises(ParamsError, match=r"kwargs\.learning_rate is the text '5e-5'.*written 5e-05"):
        load_params(tmp_path / "params.yaml")


def test_params_are_frozen(params):
    with pytest.raises(ValueError, match="frozen"):
        params.site.bess.power_kw = 3
    assert isinstance(params, Params)
    assert params.reward.active_weights is params.reward.weights["co2_focus"]


@pytest.mark.parametrize("agent", ["sac", "ppo", "a2c"])
def test_a_profile_changes_what_actions_mean_and_the_network_and_no_more(agent):
    shipped, raw, plain = (
        validate_params(changed(train__profile=profile), "params.yaml").agent(agent)
        for profile in ("shipped", "raw", "plain")
    )
    assert (shipped.policy, raw.policy, plain.policy) == ("per_charger", "per_charger", "plain")
    assert raw == shipped.model_copy(update=RAW)
    assert plain.actions == ("raw", "greedy_offset")
    assert plain.kwargs["policy_kwargs"] == {"net_arch": [256, 256]}
    assert not {"replay_buffer_kwargs", "rollout_buffer_kwargs"} & set(plain.kwargs)
    for name in ("learning_rate", "gamma"):
        assert plain.kwargs[name] == shipped.kwargs[name]
    assert (plain.total_timesteps, plain.seeds) == (shipped.total_timesteps, shipped.seeds)
