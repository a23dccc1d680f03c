"""Frozen models of `params.yaml`. Nothing else reads that file or says what its values may be."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from iquitos_citylearn.runtime.class_path import check_class_path

WEIGHT_SUM_TOLERANCE = 1e-9
PLAIN_LAYERS = [256, 256]
"""Hidden layers of Stable-Baselines3's MlpPolicy under the profile `plain`."""
RAW = {"action_mapping": "raw", "bess_mapping": "greedy_offset", "imitation": None}
"""Meaning of actions under the profiles `raw` and `plain`."""
PER_CHARGER_BUFFERS = ("replay_buffer_kwargs", "rollout_buffer_kwargs")
"""Keyword arguments that only the buffers of the per-charger policies take."""

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
HourOfDay = Annotated[int, Field(ge=0, le=23)]
PeakHours = Annotated[tuple[HourOfDay, ...], Field(min_length=1, max_length=24)]
Monthly = Annotated[tuple[Positive, ...], Field(min_length=12, max_length=12)]
Hourly = Annotated[tuple[Positive, ...], Field(min_length=24, max_length=24)]
Autocorrelation = Annotated[float, Field(gt=-1, lt=1)]
BessDispatch = Literal["none", "automatic", "agent"]
"""Who dispatches the stationary battery: `none` where there is no battery."""
LONGEST_OPENING_HOURS = 23
"""A charger needs a free hour between the last car of a day and the first of the next."""
AgentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
ClassPath = Annotated[str, AfterValidator(check_class_path)]


class ParamsError(ValueError):
    """Error in a params file; the message lists every problem."""


def import_limit_problem(import_limit_kw: float | None, bess_dispatch: BessDispatch) -> str | None:
    """Return what an import limit must be where this one is refused, None where it is allowed.

    Parameters
    ----------
    import_limit_kw : float or None
        Import that requests are cut down to [kW]; None: no limit.
    bess_dispatch : BessDispatch
        Who dispatches the stationary battery.

    Notes
    -----
    CityLearn cuts the requests first. A battery on automatic dispatch acts after that and could break the limit.
    """
    if import_limit_kw is None:
        return None
    if not (math.isfinite(import_limit_kw) and import_limit_kw >= 0.0):
        return "finite numbers from 0"
    if bess_dispatch == "automatic":
        return "none with a battery on automatic dispatch, which acts after requests are cut"
    return None


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Location(_Section):
    """Place and clock of the site."""

    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    altitude_m: Annotated[float, Field(ge=-430, le=9000)]
    utc_offset_hours: Annotated[int, Field(ge=-12, le=14)]


class Calendar(_Section):
    """Dates of the rows."""

    year: Annotated[int, Field(ge=1970, le=2100)]
    n_days: Annotated[int, Field(ge=1, le=365)]

    @model_validator(mode="after")
    def _no_leap_year(self) -> Self:
        if self.year % 4 == 0 and (self.year % 100 != 0 or self.year % 400 == 0):
            raise ValueError(f"year is {self.year}, a leap year; 8,760 rows need a year without 29 February")
        return self


class Draws(_Section):
    """Seeds of the drawn years."""

    headline_seed: Seed
    training_seeds: Annotated[tuple[Seed, ...], Field(min_length=4)]
    evaluation_seeds: Annotated[tuple[Seed, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for name in ("training_seeds", "evaluation_seeds"):
            seeds = getattr(self, name)
            if len(set(seeds)) != len(seeds):
                raise ValueError(f"{name} has a seed twice: {list(seeds)}")
        if self.headline_seed in self.training_seeds:
            raise ValueError(f"training_seeds holds the headline seed {self.headline_seed}: agents would train on it")
        if self.headline_seed in self.evaluation_seeds:
            raise ValueError(
                f"evaluation_seeds holds the headline seed {self.headline_seed}, which is evaluated anyway"
            )
        both = sorted(set(self.training_seeds) & set(self.evaluation_seeds))
        if both:
            raise ValueError(f"evaluation_seeds holds training seeds {both}: agents would be judged on what they saw")
        return self


class WeatherParams(_Section):
    """Statistics of the weather generator."""

    monthly_ghi_kwh_per_m2: Monthly
    clearness_mean: Annotated[float, Field(gt=0.05, lt=0.8)]
    clearness_std: Annotated[float, Field(gt=0, lt=0.4)]
    clearness_lag1: Autocorrelation
    temp_air_mean_c: Annotated[float, Field(ge=-30, le=50)]
    temp_air_min_c: Annotated[float, Field(ge=-50, le=50)]
    temp_air_max_c: Annotated[float, Field(ge=-30, le=60)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.temp_air_min_c < self.temp_air_mean_c < self.temp_air_max_c:
            raise ValueError("temp_air_min_c < temp_air_mean_c < temp_air_max_c does not hold")
        return self


class PvParams(_Section):
    """The PV plant."""

    rated_power_kwp: Positive
    annual_energy_kwh: Positive | None
    inverter_limit_kw: Positive
    tilt_deg: Annotated[float, Field(ge=0, le=90)]
    azimuth_deg: Annotated[float, Field(ge=0, lt=360)]
    temperature_coefficient_per_c: Annotated[float, Field(ge=-0.01, le=0)]
    dc_losses: Annotated[float, Field(ge=0, lt=1)]
    inverter_efficiency: Annotated[float, Field(gt=0, le=1)]
    weather_csv: str | None
    generation_csv: str | None


class MallParams(_Section):
    """The load of the mall."""

    annual_energy_kwh: Positive
    peak_kw: Positive
    hourly_mean_kw: Hourly
    monthly_energy_mwh: Monthly
    residual_std_kw: Positive
    residual_lag1: Autocorrelation
    load_csv: str | None


class BessParams(_Section):
    """The stationary battery."""

    energy_capacity_kwh: Positive
    power_kw: Positive
    energy_min_kwh: NonNegative
    energy_initial_kwh: NonNegative
    efficiency_round_trip: Annotated[float, Field(gt=0, le=1)]
    dispatch: Literal["automatic", "agent"]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.energy_min_kwh >= self.energy_capacity_kwh:
            raise ValueError(
                f"energy_min_kwh is {self.energy_min_kwh}, not below energy_capacity_kwh {self.energy_capacity_kwh}"
            )
        if not self.energy_min_kwh <= self.energy_initial_kwh <= self.energy_capacity_kwh:
            raise ValueError(
                f"energy_initial_kwh is {self.energy_initial_kwh}, outside energy_min_kwh to energy_capacity_kwh "
                f"({self.energy_min_kwh} to {self.energy_capacity_kwh})"
            )
        return self


class GridParams(_Section):
    """Emissions, prices and limit of imported energy."""

    carbon_intensity_kg_per_kwh: NonNegative
    tariff_usd_per_kwh: NonNegative
    peak_tariff_usd_per_kwh: NonNegative | None
    peak_tariff_hours: PeakHours
    demand_charge_usd_per_kw_month: NonNegative
    import_limit_kw: Positive | None


class FleetParams(_Section):
    """Chargers of one kind and the cars that use them."""

    n_chargers: Annotated[int, Field(ge=1, le=9999)]
    power_kw: Positive
    battery_kwh: Positive
    arrival_soc: Fraction
    required_soc: Fraction
    sessions_per_charger_day: Positive

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.arrival_soc >= self.required_soc:
            raise ValueError(f"arrival_soc is {self.arrival_soc}, not below required_soc {self.required_soc}")
        return self


class ChargingParams(_Section):
    """Opening hours, chargers, and the cars that use them."""

    opening_hour: Annotated[int, Field(ge=0, le=23)]
    closing_hour: Annotated[int, Field(ge=1, le=24)]
    charger_efficiency: Annotated[float, Field(gt=0, le=1)]
    energy_requested_kwh_per_day: Positive
    staff_share: Fraction
    staff_stay_hours: Annotated[tuple[Count, Count], Field()]
    staff_stay_mean_hours: Positive
    customer_stay_hours: Annotated[tuple[Count, Count], Field()]
    customer_stay_mean_hours: Positive
    arrival_weight_by_hour: Hourly
    arrival_soc_std: Annotated[float, Field(ge=0, le=0.3)]
    required_soc_std: Annotated[float, Field(ge=0, le=0.3)]
    fleets: Annotated[dict[str, FleetParams], Field(min_length=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.opening_hour >= self.closing_hour:
            raise ValueError(f"opening_hour is {self.opening_hour}, not before closing_hour {self.closing_hour}")
        if self.closing_hour - self.opening_hour > LONGEST_OPENING_HOURS:
            raise ValueError(
                f"opening_hour is {self.opening_hour} and closing_hour {self.closing_hour}; allowed: at most "
                f"{LONGEST_OPENING_HOURS} hours open"
            )
        for who in ("staff", "customer"):
            shortest, longest = getattr(self, f"{who}_stay_hours")
            if shortest > longest:
                raise ValueError(f"{who}_stay_hours is [{shortest}, {longest}]: the shortest stay exceeds the longest")
            if longest > self.closing_hour - self.opening_hour:
                raise ValueError(
                    f"{who}_stay_hours ends at {longest} h, longer than the "
                    f"{self.closing_hour - self.opening_hour} h open"
                )
            mean = getattr(self, f"{who}_stay_mean_hours")
            if not shortest <= mean <= longest:
                raise ValueError(f"{who}_stay_mean_hours is {mean}, outside {who}_stay_hours [{shortest}, {longest}]")
        return self

    @model_validator(mode="after")
    def _staff_find_a_charger(self) -> Self:
        for name, fleet in self.fleets.items():
            per_day = self.staff_share * fleet.sessions_per_charger_day
            if per_day > 1:
                raise ValueError(
                    f"staff_share is {self.staff_share}; with fleets.{name}.sessions_per_charger_day "
                    f"{fleet.sessions_per_charger_day} these are {per_day:.2f} staff a charger and day (at most 1)"
                )
        return self


class SiteParams(_Section):
    """Everything that the data set is made from."""

    location: Location
    calendar: Calendar
    draws: Draws
    weather: WeatherParams
    pv: PvParams
    mall: MallParams
    bess: BessParams | None
    grid: GridParams
    charging: ChargingParams

    @model_validator(mode="after")
    def _limit_can_be_kept(self) -> Self:
        allowed = import_limit_problem(self.grid.import_limit_kw, self.bess_dispatch)
        if allowed is not None:
            raise ValueError(f"grid.import_limit_kw is {self.grid.import_limit_kw:g}; allowed: {allowed}")
        return self

    @property
    def bess_dispatch(self) -> BessDispatch:
        """Return who dispatches the stationary battery."""
        return "none" if self.bess is None else self.bess.dispatch


class CautionParams(_Section):
    """How careful a path of load and PV is (`env/night.py`)."""

    load_std: Annotated[float, Field(ge=-5, le=5)]
    pv_error: Annotated[float, Field(ge=-5, le=5)]
    pv_beyond: Annotated[float, Field(ge=0, le=2)]


class LevelParams(_Section):
    """Constants of the rule `level`."""

    floor_share: NonNegative
    peak_share: Annotated[float, Field(ge=0, le=2)]
    mild: CautionParams
    cautious: CautionParams


class EnvironmentParams(_Section):
    """Evening peak of the reward, and what every agent sees."""

    evening_peak_hours: PeakHours
    pv_forecast: Literal["noisy_truth", "persistence", "fitted"]
    forecast_hours: Annotated[int, Field(ge=1, le=24)]
    forecast_error_std: Annotated[float, Field(ge=0, le=2)]
    forecast_seed: Seed
    energy_horizon_hours: Positive
    departure_horizon_hours: Positive
    level: LevelParams


class RewardWeights(_Section):
    """Weights of the five reward terms; they sum to 1."""

    co2: Fraction
    solar_self_consumption: Fraction
    cost: Fraction
    ev_satisfaction: Fraction
    grid_stability: Fraction

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = sum(self.model_dump().values())
        if abs(total - 1) > WEIGHT_SUM_TOLERANCE:
            raise ValueError(f"weights sum to {total:g}; they must sum to 1")
        return self


class RewardParams(_Section):
    """The reward of an agent."""

    priority_mode: str
    weights: Annotated[dict[str, RewardWeights], Field(min_length=1)]
    unmet_scale: NonNegative
    overdelivery_scale: NonNegative
    total_scale: Positive

    @model_validator(mode="after")
    def _mode_exists(self) -> Self:
        if self.priority_mode not in self.weights:
            raise ValueError(f"priority_mode is {self.priority_mode!r}; weights has {sorted(self.weights)}")
        return self

    @property
    def active_weights(self) -> RewardWeights:
        """Return the weights of the priority mode in force."""
        return self.weights[self.priority_mode]


class EvaluationParams(_Section):
    """Settings of rules, and the statistics over seeds."""

    least_laxity_limit_share: Annotated[float, Field(gt=0, le=1)]
    random_seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    bootstrap_resamples: Annotated[int, Field(ge=100, le=1_000_000)]
    confidence_level: Annotated[float, Field(gt=0, lt=1)]
    bootstrap_seed: Seed
    little_gain_share: Fraction


class Actions(NamedTuple):
    """What the actions of a policy mean (`env/action.py`).

    Attributes
    ----------
    chargers, bess : str
        Mapping of the chargers' entries, and of the entry of a battery under the agent.
    """

    chargers: str
    bess: str = "greedy_offset"


class RolloutParams(_Section):
    """The policy `rollout`."""

    n_scenarios: Annotated[int, Field(ge=1, le=1000)]
    seed: Seed
    peak_weight_start: NonNegative
    peak_weight_end: NonNegative


class MpcParams(_Section):
    """The policy `mpc`."""

    n_scenarios: Annotated[int, Field(ge=1, le=100)]
    spread: NonNegative
    pv_share: Annotated[float, Field(ge=-5, le=5)]
    stored_worth_share: Fraction


class ControlParams(_Section):
    """Controllers that plan ahead with forecasts."""

    mpc: MpcParams
    rollout: RolloutParams


class ImitationParams(_Section):
    """Imitation of the policy `rollout` before a training (`training/imitation.py`)."""

    epochs: Count
    learning_rate: Positive


class AgentParams(_Section):
    """Training of one agent; `kwargs` are those of its algorithm, a class that builds on Stable-Baselines3."""

    algorithm: ClassPath
    total_timesteps: Count
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    n_envs: Annotated[int, Field(ge=1, le=1024)]
    device: Literal["auto", "cpu", "cuda"]
    action_mapping: Literal["raw", "dead_zones", "need_limited", "three_segment"]
    bess_mapping: Literal["greedy_offset", "import_target", "level_offset", "rule_offset"] = "greedy_offset"
    policy: Literal["per_charger", "plain"]
    checkpoint_every: Count
    imitation: ImitationParams | None = None
    kwargs: dict[str, Any]

    @property
    def actions(self) -> Actions:
        """Return what its actions mean."""
        return Actions(self.action_mapping, self.bess_mapping)

    @model_validator(mode="after")
    def _can_imitate(self) -> Self:
        if self.imitation is not None and (self.policy, self.bess_mapping) != ("per_charger", "rule_offset"):
            raise ValueError(
                f"imitation needs policy per_charger and bess_mapping rule_offset, not {self.policy} and "
                f"{self.bess_mapping}; null: no imitation"
            )
        return self

    @model_validator(mode="after")
    def _kwargs_are_numbers(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds has a seed twice: {list(self.seeds)}")
        for name, value in self.kwargs.items():
            if isinstance(value, str) and _looks_like_number(value):
                raise ValueError(
                    f"kwargs.{name} is the text {value!r}; YAML reads it as a number when written {float(value)!r}"
                )
        return self


def _looks_like_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class TrainParams(_Section):
    """The agents, each under its name, and the profile that changes all of them (`Params.agent`)."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[AgentName, AgentParams]

    profile: Literal["shipped", "raw", "plain"]

    @property
    def agents(self) -> Mapping[str, AgentParams]:
        """Return the agents by name, in the order of the file, as they are under the profile `shipped`."""
        return MappingProxyType(self.__pydantic_extra__)


class Params(_Section):
    """The whole of `params.yaml`.

    Attributes
    ----------
    arithmetic : str
        Of every process; the package reads the line itself, before all else (`runtime/arithmetic.py`).
    """

    arithmetic: Literal["portable", "fastest"]
    site: SiteParams
    environment: EnvironmentParams
    reward: RewardParams
    evaluation: EvaluationParams
    control: ControlParams
    train: TrainParams

    def agent(self, name: str) -> AgentParams:
        """Return how an agent is trained under the profile in force; ParamsError if there is none of that name."""
        if name not in self.train.agents:
            raise ParamsError(f"agent is {name!r}; train has {', '.join(self.train.agents)}")
        params = self.train.agents[name]
        if self.train.profile == "shipped":
            return params
        if self.train.profile == "raw":
            return params.model_copy(update=RAW)
        kwargs = {name: value for name, value in params.kwargs.items() if name not in PER_CHARGER_BUFFERS}
        kwargs |= {"policy_kwargs": {"net_arch": PLAIN_LAYERS}}
        return params.model_copy(update=RAW | {"policy": "plain", "kwargs": kwargs})


def load_params(path: Path) -> Params:
    """Read and validate a params file.

    Parameters
    ----------
    path : Path
        The YAML file.

    Raises
    ------
    ParamsError
        With every problem of the file: field, value, and what is allowed.
    """
    return validate_params(read_yaml(path), source=str(path))


def read_yaml(path: Path) -> Any:
    """Read a YAML file; ParamsError if it can't be read or is not YAML."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: is not YAML: {error}") from error


def validate_params(content: Any, source: str) -> Params:
    """Return the params in the content of a file; ParamsError with every problem, `source` in front."""
    try:
        return Params.model_validate(_sequences_as_tuples(content))
    except ValidationError as error:
        problems = [_describe(problem) for problem in error.errors()]
        raise ParamsError(
            f"{source}: {len(problems)} problem(s)\n" + "\n".join(f"  {line}" for line in problems)
        ) from None


def _sequences_as_tuples(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _sequences_as_tuples(value) for key, value in node.items()}
    if isinstance(node, list):
        return tuple(_sequences_as_tuples(value) for value in node)
    return node


def _describe(problem: Any) -> str:
    field = ".".join(str(part) for part in problem["loc"]) or "the file"
    message = problem["msg"].removeprefix("Value error, ")
    if isinstance(problem["input"], dict | list | tuple) or problem["type"] == "missing":
        return f"{field}: {message}"
    return f"{field} is {problem['input']!r}: {message}"
