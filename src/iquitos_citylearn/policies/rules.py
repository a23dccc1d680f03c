"""Rules: policies without a model. `policies.register` names them and says what each does.

A rule knows what an agent knows: it reads the observation. Laxity is the time left minus the time needed at full power
(Xu, Pan, Tong, 2016).

References
----------
Xu, Pan, Tong (2016), Dynamic scheduling for charging electric vehicles: a priority rule, IEEE Trans. Automatic Control
61(12), 4094-4099.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.features import (
    ENERGY_NEEDED,
    FIRST_FORECAST,
    LOAD_LAST,
    N_CHARGER_FEATURES,
    TIME_TO_DEPARTURE,
)
from iquitos_citylearn.env.observation import site_features
from iquitos_citylearn.env.setting import Setting
from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.policy import Rule
from iquitos_citylearn.site.model import FloatArray


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
    """The cars that an observation shows; arrays of shape (batch, n_chargers), 0 where no car is.

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
        self._first = len(site_features(tables, equipment))
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
        return Cars(
            needed_hours=blocks[:, :, ENERGY_NEEDED] * self._horizons.energy_hours,
            hours_left=np.rint(blocks[:, :, TIME_TO_DEPARTURE] * self._horizons.departure_hours),
            surplus_kw=np.maximum(site[:, FIRST_FORECAST] - site[:, LOAD_LAST], 0.0) * self._reference_kw,
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
    """Share out a limited power: cars that can wait least come first, of equal ones the first charger.

    Parameters
    ----------
    cars : Cars
        Their laxity decides.
    power_kw : ndarray, shape (batch, n_chargers)
        Power that each can take [kW].
    limit_kw : ndarray, shape (batch,)
        Power that can be shared out [kW].

    Returns
    -------
    ndarray, shape (batch, n_chargers)
        Power that each gets [kW].
    """
    order = np.argsort(cars.laxity_hours, axis=1, kind="stable")
    wanted = np.take_along_axis(power_kw, order, axis=1)
    before = np.cumsum(wanted, axis=1) - wanted
    given = np.clip(limit_kw[:, None] - before, 0.0, wanted)
    shared = np.empty_like(given)
    np.put_along_axis(shared, order, given, axis=1)
    return shared


def uncontrolled(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `uncontrolled`."""
    del params, seed
    return ConstantPolicy(1.0, years[0].site.n_chargers)


def required(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `required`: all of the need, under the mapping `need_limited`."""
    del params, seed
    return ConstantPolicy(1.0, years[0].site.n_chargers)


def idle(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `idle`."""
    del params, seed
    return ConstantPolicy(-1.0, years[0].site.n_chargers)


def random_shares(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `random`."""
    del params
    return RandomPolicy(seed, years[0].site.n_chargers)


def latest(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `latest`."""
    del params, seed
    return NeedRule(CarReader(years.setting), lambda cars: cars.urgent_share)


def least_laxity(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `least_laxity`; `evaluation.least_laxity_limit_share` limits the power of all chargers."""
    del seed
    reader = CarReader(years.setting)
    largest_kw = params.evaluation.least_laxity_limit_share * float(reader.rating_kw.sum())

    def share(cars: Cars) -> FloatArray:
        limit_kw = np.full(len(cars.share), largest_kw)
        return by_laxity(cars, cars.share * reader.rating_kw, limit_kw) / reader.rating_kw

    return NeedRule(reader, share)


def solar_following(years: Years, params: Params, seed: int) -> Rule:
    """Return the rule `solar_following`."""
    del params, seed
    reader = CarReader(years.setting)

    def share(cars: Cars) -> FloatArray:
        urgent_kw = cars.urgent_share * reader.rating_kw
        left_kw = np.maximum(cars.surplus_kw - urgent_kw.sum(axis=1), 0.0)
        solar_kw = by_laxity(cars, cars.share * reader.rating_kw - urgent_kw, left_kw)
        return np.minimum((urgent_kw + solar_kw) / reader.rating_kw, cars.share)

    return NeedRule(reader, share)
