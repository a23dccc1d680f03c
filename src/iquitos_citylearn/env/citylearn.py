"""The site in CityLearn itself: the building with its battery on automatic dispatch, and the simulator over it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from citylearn.building import Building
from citylearn.citylearn import CityLearnEnv
from citylearn.internal.building_ops import BuildingOpsService
from citylearn.reward_function import RewardFunction

from iquitos_citylearn.env.arrays import NO_SESSION, ONLY_YEAR, make_years
from iquitos_citylearn.env.simulator import StepResult, check_action, check_window
from iquitos_citylearn.site.model import FloatArray, Site

CHARGER_ACTION = "electric_vehicle_storage_"
BESS_ACTION = "electrical_storage"


class AutomaticBessBuilding(Building):  # type: ignore[misc]
    """A building whose electrical storage takes the surplus and covers the deficit by itself.

    The storage must be an inactive action. Its rule sees the real consumption of the chargers in the same step.
    """

    def apply_actions(self, **kwargs: Any) -> None:
        """Apply the actions, then dispatch the storage against what is left."""
        super().apply_actions(**kwargs)
        step = self.time_step
        load_kwh = float(self.non_shiftable_load_device.electricity_consumption[step])
        charger_kwh = 0.0
        for charger in self.electric_vehicle_chargers:
            charger_kwh += float(charger.electricity_consumption[step])
        deficit_kwh = load_kwh + float(self.solar_generation[step]) + charger_kwh
        self.update_electrical_storage(-deficit_kwh / self.electrical_storage.nominal_power)


class NoReward(RewardFunction):  # type: ignore[misc]
    """CityLearn's reward is not used here; this one asks for no observation."""

    def get_required_observation_names(self) -> Iterable[str]:
        """Return that nothing is needed."""
        return ()

    def calculate(self, observations: list[Mapping[str, float]]) -> list[float]:  # noqa: ARG002 - its signature
        """Return no reward."""
        return [0.0]


class _SilentEnv(CityLearnEnv):  # type: ignore[misc]
    """CityLearn without the building of observations: the state is read from its devices."""

    @property
    def observations(self) -> list[list[float]]:
        return [[]]


class _SilentOps(BuildingOpsService):  # type: ignore[misc]
    """Application of actions without the chargers' observations and the record of what was asked and why it was cut."""

    def _record_charger_action_feedback(self, *_: Any) -> None: ...

    def _record_charger_post_apply_feedback(self, *_: Any) -> None: ...

    def update_ev_charger_observations(self, observations: Any, *_: Any, **__: Any) -> Any:
        return observations


def _silence(building: Building) -> None:
    """Leave out the record of actions, and look up the chargers' series once instead of at every access."""
    building._ops_service = _SilentOps(building)
    for charger in building.electric_vehicle_chargers:
        series = charger.charger_simulation
        names = [name.removeprefix("_") for name in vars(series)]
        charger.charger_simulation = SimpleNamespace(**{name: _listed(getattr(series, name)) for name in names})


def _listed(series: Any) -> Any:
    """Return an array as a list of the same numbers: one at a time, those are read faster."""
    return series.tolist() if isinstance(series, np.ndarray) else series


class CityLearnSimulator:
    """`Simulator` over `CityLearnEnv`: every physical value is read from CityLearn's state.

    Parameters
    ----------
    schema_path : Path
        The data set's schema.
    site : Site
        The same site; it says only who is connected when, and CityLearn is held to it in every step.
    start_step, end_step, bess_soc
        Part of the year (see `check_window`).
    silent : bool
        Leave out CityLearn's observations, reward and action feedback, which nothing here reads.
    check_invariants : bool
        Let CityLearn assert its own energy balance and bounds in every step.

    Raises
    ------
    ValueError
        When the part of the year cannot be run, or the data set's actions are not those of the site.
    """

    def __init__(
        self,
        schema_path: Path,
        site: Site,
        start_step: int = 0,
        end_step: int | None = None,
        bess_soc: float | None = None,
        *,
        silent: bool = True,
        check_invariants: bool = False,
    ) -> None:
        self.site = site
        self.start_step = start_step
        self.end_step = site.n_steps if end_step is None else end_step
        check_window(site, self.start_step, self.end_step, bess_soc)
        schema = _part_of_schema(schema_path, site, self.start_step, self.end_step, bess_soc)
        schema["physics_invariant_checks"] = check_invariants
        if silent:
            self._env = _SilentEnv(schema, offline=True, active_observations=["hour"], reward_function=NoReward)
            for building in self._env.buildings:
                _silence(building)
        else:
            self._env = CityLearnEnv(schema, offline=True)
        self._connected = make_years([site]).session_of[ONLY_YEAR] != NO_SESSION
        self._order = _action_order(self._env, site)
        self._bind()

    @property
    def time_step(self) -> int:
        """Step of the next action; `end_step` when the run is over."""
        return self.start_step + int(self._env.time_step)

    @property
    def ev_soc(self) -> FloatArray:
        """State of charge of the connected cars before the action; 0 where none is."""
        step = self.time_step
        if step >= self.site.n_steps:
            return np.zeros(self.site.n_chargers)
        return self._read_ev_soc(step, self._connected_cars(step))

    @property
    def bess_soc(self) -> float:
        """State of charge of the stationary battery before the action (at the end of the year: after the last)."""
        step = min(self.time_step, self.site.n_steps - 1)
        return self._read_bess_soc(step)

    def reset(self) -> None:
        """Go back to the start."""
        self._env.reset()
        self._bind()

    def step(self, charger_action: FloatArray, bess_action: float = 0.0) -> StepResult:
        """Run one hour; see `Simulator.step`."""
        step = self.time_step
        check_action(self.site, step, self.end_step, charger_action, bess_action)
        cars = self._connected_cars(step)
        values = np.append(charger_action, bess_action)
        self._env.step([values[self._order].tolist()])
        local = step - self.start_step
        return StepResult(
            net_kwh=float(self._building.net_electricity_consumption[local]),
            bess_kwh=float(self._bess.electricity_consumption[local]) if self.site.bess is not None else 0.0,
            bess_soc=self._read_bess_soc(step),
            charger_kwh=np.array([series[local] for series in self._charger_kwh], dtype=np.float64),
            ev_soc=self._read_ev_soc(step, cars),
        )

    def key_figures(self) -> dict[str, float]:
        """Return CityLearn's own figures of the district after a whole run (`evaluate_v2`), those that are numbers."""
        table = self._env.evaluate_v2(include_business_as_usual=False)
        district = table[(table["level"] == "district") & table["value"].notna()]
        return {
            str(name): float(value) for name, value in zip(district["cost_function"], district["value"], strict=True)
        }

    def _bind(self) -> None:
        """Look up the series that hold the state; CityLearn makes new ones at each reset."""
        self._building = self._env.buildings[0]
        self._bess = self._building.electrical_storage
        self._chargers = list(self._building.electric_vehicle_chargers)
        self._charger_kwh = [charger.electricity_consumption for charger in self._chargers]

    def _read_bess_soc(self, step: int) -> float:
        return float(self._bess.soc[step - self.start_step]) if self.site.bess is not None else 0.0

    def _read_ev_soc(self, step: int, cars: list[Any]) -> FloatArray:
        local = step - self.start_step
        return np.array([0.0 if car is None else car.battery.soc[local] for car in cars], dtype=np.float64)

    def _connected_cars(self, step: int) -> list[Any]:
        """Return CityLearn's car at each charger, or None, and make sure that the site says so too."""
        cars = [charger.connected_electric_vehicle for charger in self._chargers]
        wrong = np.array([car is not None for car in cars]) != self._connected[step]
        if wrong.any():
            name = self._chargers[int(np.argmax(wrong))].charger_id
            raise RuntimeError(f"step {step}: CityLearn and the site disagree on whether a car is at {name}")
        return cars


def _part_of_schema(
    schema_path: Path, site: Site, start_step: int, end_step: int, bess_soc: float | None
) -> dict[str, Any]:
    """Return the schema of a part of the year.

    One more row than the part has actions is loaded, and where the year goes on another, so that CityLearn itself
    moves on to `end_step`.
    """
    schema: dict[str, Any] = json.loads(schema_path.read_text(encoding="utf-8"))
    schema["root_directory"] = str(schema_path.parent.resolve())
    schema["central_agent"] = True
    schema["episode_time_steps"] = None
    schema["simulation_start_time_step"] = start_step
    schema["simulation_end_time_step"] = min(end_step + 1, site.n_steps)
    schema["terminal_observation_padding"] = True
    if bess_soc is not None:
        (building,) = schema["buildings"].values()
        building["electrical_storage"]["attributes"]["initial_soc"] = bess_soc
    return schema


def _action_order(env: CityLearnEnv, site: Site) -> list[int]:
    """Return the position of each of CityLearn's actions in the charger actions with the battery's appended."""
    position = {f"{CHARGER_ACTION}{charger.name}": index for index, charger in enumerate(site.chargers)}
    if site.bess_dispatch == "agent":
        position[BESS_ACTION] = site.n_chargers
    names = env.action_names[0]
    if sorted(names) != sorted(position):
        differing = sorted(set(names) ^ set(position))
        raise ValueError(f"the data set's actions are not those of the site: {', '.join(differing)}")
    return [position[name] for name in names]
