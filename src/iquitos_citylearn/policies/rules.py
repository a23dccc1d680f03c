"""Rule-based policies: Stable-Baselines3's `predict`, no model, and the action mapping that each is written for.

==============  ===============================================================================================
rule            what it does
==============  ===============================================================================================
uncontrolled    charges at once, at full power, until full
required        charges at once, up to the required SOC
latest          charges up to the required SOC as late as still gets there
least_laxity    charges up to the required SOC, the cars that can wait least first, all together below a limit
solar_following spreads the PV surplus forecast for the hour over the cars that can wait least, and charges from
                the grid only what could not be made up later
random          draws every charger's share of its rating anew each hour
idle            charges nothing
==============  ===============================================================================================

Laxity is the time left minus the time needed at full power (Xu, Pan, Tong, 2016). Rules know what an agent knows: they
read the observation.

References
----------
Xu, Pan, Tong (2016), Dynamic scheduling for charging electric vehicles: a priority rule, IEEE Trans. Automatic Control
61(12), 4094-4099.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.observation import (
    CHARGER_FEATURES,
    N_CHARGER_FEATURES,
    SITE_FEATURES_BEFORE_FORECAST,
    forecast_hours,
    n_site_features,
)
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.site.model import FloatArray


class Policy(Protocol):
    """Anything that decides: a Stable-Baselines3 model or a rule."""

    def predict(
        self,
        observation: NDArray[np.float32],
        state: tuple[NDArray[np.float32], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[NDArray[np.float32] | FloatArray, tuple[NDArray[np.float32], ...] | None]:
        """Return the actions for a batch of observations, and a state (None)."""


class Rule(ABC):
    """A policy without a model, which keeps nothing from hour to hour: Stable-Baselines3's `predict` over `decide`."""

    @abstractmethod
    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the actions in [-1, 1] for a batch of observations, shape (batch, n_actions)."""

    def predict(
        self,
        observation: NDArray[np.float32],
        state: tuple[NDArray[np.float32], ...] | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,  # noqa: FBT001, FBT002 - Stable-Baselines3's signature
    ) -> tuple[FloatArray, None]:
        """Return what `decide` says, and no state."""
        del state, episode_start, deterministic
        return self.decide(observation), None


@dataclass(frozen=True)
class ConstantPolicy(Rule):
    """The same action for every charger in every hour.

    Attributes
    ----------
    action : float
        The action, in [-1, 1].
    n_chargers : int
        Number of chargers.
    """

    action: float
    n_chargers: int

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the action for each charger, shape (batch, n_chargers)."""
        return np.full((len(observation), self.n_chargers), self.action)


class Cars(NamedTuple):
    """What an observation says of the cars; arrays of shape (batch, n_chargers), 0 where no car is.

    Attributes
    ----------
    needed_hours : ndarray
        Time at full power up to the required SOC [h].
    hours_left : ndarray
        Actions left before the car leaves.
    surplus_kw : ndarray, shape (batch,)
        PV forecast for the hour minus the load metered in the hour before, 0 at least [kW].
    """

    needed_hours: FloatArray
    hours_left: FloatArray
    surplus_kw: FloatArray

    @property
    def share(self) -> FloatArray:
        """Share of the rating that each car can use in this hour up to its need."""
        return np.minimum(self.needed_hours, 1.0)

    @property
    def urgent_share(self) -> FloatArray:
        """Share of the rating without which a car cannot get its need any more."""
        return np.clip(self.needed_hours - (self.hours_left - 1.0), 0.0, self.share)

    @property
    def laxity_hours(self) -> FloatArray:
        """Time that each car can wait [h]; infinite where nothing is needed."""
        return np.where(self.needed_hours > 0.0, self.hours_left - self.needed_hours, np.inf)


class CarReader:
    """Reads the cars out of observations.

    Parameters
    ----------
    setting : Setting
        The years, for the scales of the observation.

    Raises
    ------
    ValueError
        If the observation cannot show the need of an empty car: rules would mistake it for a smaller one.
    """

    def __init__(self, setting: Setting) -> None:
        equipment = setting.equipment
        self.rating_kw = equipment.max_charging_power_kw
        self._horizons = setting.horizons
        self._reference_kw = setting.tables.reference_power_kw
        tables = setting.tables
        self._first = n_site_features(forecast_hours(tables), tables.n_peak_entries)
        longest = (equipment.ev_capacity_kwh / (equipment.charger_efficiency * self.rating_kw)).max()
        if longest > self._horizons.energy_hours:
            raise ValueError(
                f"environment.energy_horizon_hours is {self._horizons.energy_hours:g}; rules need "
                f"{longest:.2f} h at least, what the slowest charger takes from empty to full"
            )

    def read(self, observation: NDArray[np.float32]) -> Cars:
        """Return the cars of a batch of observations, shape (batch, n_observations)."""
        site = observation[:, : self._first].astype(np.float64)
        blocks = observation[:, self._first :].astype(np.float64).reshape(len(site), -1, N_CHARGER_FEATURES)
        forecast = site[:, len(SITE_FEATURES_BEFORE_FORECAST)]
        load = site[:, SITE_FEATURES_BEFORE_FORECAST.index("load_last")]
        return Cars(
            needed_hours=blocks[:, :, CHARGER_FEATURES.index("energy_needed")] * self._horizons.energy_hours,
            hours_left=np.rint(
                blocks[:, :, CHARGER_FEATURES.index("time_to_departure")] * self._horizons.departure_hours
            ),
            surplus_kw=np.maximum(forecast - load, 0.0) * self._reference_kw,
        )


@dataclass(frozen=True)
class NeedRule(Rule):
    """A rule that decides how much of its need each car gets in this hour; for the mapping `need_limited`.

    Attributes
    ----------
    reader : CarReader
        Reads the observation.
    share : callable
        Cars -> share of the rating, shape (batch, n_chargers), between 0 and `Cars.share`.
    """

    reader: CarReader
    share: Callable[[Cars], FloatArray]

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return the actions, shape (batch, n_chargers)."""
        cars = self.reader.read(observation)
        usable = cars.share
        part: FloatArray = np.divide(self.share(cars), usable, out=np.zeros_like(usable), where=usable > 0.0)
        return 2.0 * part - 1.0


class RandomPolicy(Rule):
    """Uniformly random actions.

    Parameters
    ----------
    seed : int
        Decides them.
    n_chargers : int
        Number of chargers.
    """

    def __init__(self, seed: int, n_chargers: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._n_chargers = n_chargers

    def decide(self, observation: NDArray[np.float32]) -> FloatArray:
        """Return new actions in [-1, 1], shape (batch, n_chargers)."""
        return self._rng.uniform(-1.0, 1.0, (len(observation), self._n_chargers))


def by_laxity(cars: Cars, power_kw: FloatArray, limit_kw: FloatArray) -> FloatArray:
    """Share out a limited power, the cars that can wait least first, of equal ones the first charger first.

    Parameters
    ----------
    cars : Cars
        Their laxity decides.
    power_kw : ndarray, shape (batch, n_chargers)
        What each can take [kW].
    limit_kw : ndarray, shape (batch,)
        What there is [kW].

    Returns
    -------
    ndarray, shape (batch, n_chargers)
        What each gets [kW].
    """
    order = np.argsort(cars.laxity_hours, axis=1, kind="stable")
    wanted = np.take_along_axis(power_kw, order, axis=1)
    before = np.cumsum(wanted, axis=1) - wanted
    given = np.clip(limit_kw[:, None] - before, 0.0, wanted)
    shared = np.empty_like(given)
    np.put_along_axis(shared, order, given, axis=1)
    return shared


@dataclass(frozen=True)
class RuleParams:
    """Settings of rules.

    Attributes
    ----------
    least_laxity_limit_share : float
        Largest power of all chargers together under `least_laxity`, as a share of the sum of their ratings.
    random_seed : int
        Seed of `random`.
    """

    least_laxity_limit_share: float
    random_seed: int = 0


def _latest(setting: Setting, _: RuleParams) -> Rule:
    return NeedRule(CarReader(setting), lambda cars: cars.urgent_share)


def _least_laxity(setting: Setting, params: RuleParams) -> Rule:
    reader = CarReader(setting)
    largest_kw = params.least_laxity_limit_share * float(reader.rating_kw.sum())

    def share(cars: Cars) -> FloatArray:
        limit_kw = np.full(len(cars.share), largest_kw)
        return by_laxity(cars, cars.share * reader.rating_kw, limit_kw) / reader.rating_kw

    return NeedRule(reader, share)


def _solar_following(setting: Setting, _: RuleParams) -> Rule:
    reader = CarReader(setting)

    def share(cars: Cars) -> FloatArray:
        urgent_kw = cars.urgent_share * reader.rating_kw
        left_kw = np.maximum(cars.surplus_kw - urgent_kw.sum(axis=1), 0.0)
        solar_kw = by_laxity(cars, cars.share * reader.rating_kw - urgent_kw, left_kw)
        return np.minimum((urgent_kw + solar_kw) / reader.rating_kw, cars.share)

    return NeedRule(reader, share)


def _constant(action: float) -> Callable[[Setting, RuleParams], Rule]:
    return lambda setting, _: ConstantPolicy(action, setting.years.session_of.shape[2])


@dataclass(frozen=True)
class RuleEntry:
    """How a rule is made, and what its actions mean.

    Attributes
    ----------
    action_mapping : str
        Name in `env.action.MAPPINGS`.
    make : callable
        Setting, params -> rule.
    """

    action_mapping: str
    make: Callable[[Setting, RuleParams], Rule]


RULES: Mapping[str, RuleEntry] = {
    "uncontrolled": RuleEntry("raw", _constant(1.0)),
    "required": RuleEntry("need_limited", _constant(1.0)),
    "latest": RuleEntry("need_limited", _latest),
    "least_laxity": RuleEntry("need_limited", _least_laxity),
    "solar_following": RuleEntry("need_limited", _solar_following),
    "random": RuleEntry(
        "raw", lambda setting, params: RandomPolicy(params.random_seed, setting.years.session_of.shape[2])
    ),
    "idle": RuleEntry("raw", _constant(-1.0)),
}
"""By name."""
