"""CityLearn's hour without what CityLearn keeps for reports and nobody here reads.

The equations stay CityLearn's code: `_with_scalars` runs a method of CityLearn with functions for one number in the
place of NumPy's for arrays, which give the same number. `replay.LEFT_OUT` lists what is left out, and
`docs/environment.md` says why no replayed number depends on it.

==========================  ==========================================================================================
class                       what it changes
==========================  ==========================================================================================
`_LeanBattery`              constants are looked up once, of the efficiencies only the last is kept
`_LeanCharger`              one number is clipped as one number
`_LeanVehicle`              a car that is away keeps the time, not a state of charge
`_LeanOps`                  no observations of chargers, no record of what was asked and why it was cut
`_LeanRuntime`              only chargers with a car are asked for one, and given an action
==========================  ==========================================================================================
"""

import hashlib
import inspect
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import citylearn
import numpy as np
from citylearn import base, building, electric_vehicle, electric_vehicle_charger, energy_model
from citylearn import citylearn as environment
from citylearn.base import Environment
from citylearn.electric_vehicle import ElectricVehicle
from citylearn.electric_vehicle_charger import Charger
from citylearn.energy_model import Battery, StorageDevice
from citylearn.internal import building_ops, runtime, units
from citylearn.internal.building_ops import BuildingOpsService
from citylearn.internal.runtime import CityLearnRuntimeService

CHECKED = "3.0.2"
"""Version of CityLearn whose sources were read for this module."""
CHECKED_SOURCES = "169f49aef3e45c6b4a95dfe8ea8d6fbb819797e4b554bfe5c31fd632c2c77f7b"
"""Hash of the modules of that version that the classes here change or rely on (`_hash_sources`)."""

CHARGER_ACTIONS = "electric_vehicle_storage_actions"
CONNECTED = 1
"""CityLearn's state of a charger with a car."""


def make_lean(env: environment.CityLearnEnv) -> None:
    """Leave out of an environment at its start what is kept for reports.

    Raises
    ------
    RuntimeError
        When the installed CityLearn is another than the one that this module was written for.
    """
    refuse_other_citylearn()
    for vehicle in env.electric_vehicles:
        _LeanVehicle.convert(vehicle)
    for site in env.buildings:
        _LeanBattery.convert(site.electrical_storage)
        site._ops_service = _LeanOps(site)
        for charger in site.electric_vehicle_chargers:
            charger.__class__ = _LeanCharger
            charger.charger_simulation = _as_lists(charger.charger_simulation)
    env._runtime_service = _LeanRuntime(env)


@cache
def refuse_other_citylearn() -> None:
    """Raise RuntimeError when the installed CityLearn is another than the one that this module was written for."""
    if _hash_sources() != CHECKED_SOURCES:
        raise RuntimeError(
            f"CityLearn {citylearn.__version__} is not CityLearn {CHECKED} as published: what a replay leaves out was "
            f"checked against the sources of {CHECKED} alone; install {CHECKED}, or run CityLearn with silent=False"
        )


def _hash_sources() -> str:
    modules: tuple[ModuleType, ...] = (
        base,
        building,
        building_ops,
        electric_vehicle,
        electric_vehicle_charger,
        energy_model,
        environment,
        runtime,
        units,
    )
    return hashlib.sha256("\n".join(inspect.getsource(module) for module in modules).encode()).hexdigest()


class _ScalarNumpy:
    """NumPy for one number at a time: these functions give what NumPy's give, the others are NumPy's."""

    isnan = staticmethod(math.isnan)
    isfinite = staticmethod(math.isfinite)
    abs = staticmethod(abs)

    @staticmethod
    def clip(value: float, lowest: float, highest: float) -> float:
        return min(max(value, lowest), highest)

    @staticmethod
    def searchsorted(values: Sequence[float], value: float, side: str) -> int:
        if side != "left":
            raise NotImplementedError(f"side is {side!r}; CityLearn asks for 'left' only")
        return bisect_left(values, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _with_scalars(function: Any) -> Callable[..., Any]:
    """Return a function of CityLearn, its code unchanged, whose `np` is `_ScalarNumpy`."""
    lean = FunctionType(
        function.__code__,
        {**function.__globals__, "np": _ScalarNumpy()},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    lean.__kwdefaults__ = function.__kwdefaults__
    return lean


def _as_lists(series: Any) -> Any:
    """Return a charger's series with lists in the place of arrays: one at a time, their numbers are read faster."""
    values = {name.removeprefix("_"): getattr(series, name.removeprefix("_")) for name in vars(series)}
    return SimpleNamespace(**{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()})


class _LeanBattery(Battery):  # type: ignore[misc]
    """A battery whose constants are looked up once, and whose efficiency is kept without its history."""

    @classmethod
    def convert(cls, battery: Battery) -> None:
        """Make a battery of CityLearn a lean one."""
        constants = {
            "_lean_lowest_soc": battery._minimum_soc(),
            "_lean_loss": battery.loss_coefficient,
            "_lean_power_curve": battery.capacity_power_curve.tolist(),
            "_lean_efficiency_curve": battery.power_efficiency_curve.tolist(),
        }
        battery.__class__ = cls
        vars(battery).update(constants)
        battery._view_series()

    next_time_step = _with_scalars(StorageDevice.next_time_step)
    get_max_input_power = _with_scalars(Battery.get_max_input_power)
    get_current_efficiency = _with_scalars(Battery.get_current_efficiency)
    degrade = _with_scalars(Battery.degrade)

    def reset(self) -> None:
        """Go back to the start."""
        super().reset()
        self._view_series()

    def _view_series(self) -> None:
        """Read and write CityLearn's series of states of charge as numbers of Python, in the same array."""
        series: dict[str, Any] = self.__dict__
        self._lean_soc = series["_StorageDevice__soc"]
        for name in ("_StorageDevice__soc", "_StorageDevice__soc_initialized"):
            series[name] = memoryview(series[name])

    @property
    def soc(self) -> Any:
        return self._lean_soc

    def _minimum_soc(self) -> float:
        return self._lean_lowest_soc  # type: ignore[no-any-return]

    @property
    def loss_coefficient(self) -> float:
        return self._lean_loss  # type: ignore[no-any-return]

    @property
    def capacity_power_curve(self) -> list[list[float]]:
        return self._lean_power_curve  # type: ignore[no-any-return]

    @property
    def power_efficiency_curve(self) -> list[list[float]]:
        return self._lean_efficiency_curve  # type: ignore[no-any-return]

    @property
    def degraded_capacity(self) -> float:
        return self._capacity_history[-1]  # type: ignore[no-any-return]

    @property
    def efficiency(self) -> float:
        return self._efficiency_history[-1]  # type: ignore[no-any-return]

    @efficiency.setter
    def efficiency(self, efficiency: float) -> None:
        assert 0.0 < efficiency <= 1.0, "efficiency must be > 0 and <= 1.0 for storage devices."
        history = self._efficiency_history
        if len(history) > 1:
            history[-1] = efficiency
        else:
            history.append(efficiency)


class _LeanCharger(Charger):  # type: ignore[misc]
    """A charger that clips one number as one number."""

    _signed_power_from_action = _with_scalars(Charger._signed_power_from_action)


class _LeanVehicle(ElectricVehicle):  # type: ignore[misc]
    """A car whose battery has a state of charge while it is connected."""

    @classmethod
    def convert(cls, vehicle: ElectricVehicle) -> None:
        """Make a car of CityLearn a lean one."""
        _LeanBattery.convert(vehicle.battery)
        vehicle.__class__ = cls

    def next_time_step(self) -> None:
        """Go on to the next hour, with the battery's standing loss where the car is connected in that hour."""
        if self.lean_connected[self.time_step + 1]:
            super().next_time_step()
        else:
            Environment.next_time_step(self.battery)
            Environment.next_time_step(self)


class _LeanOps(BuildingOpsService):  # type: ignore[misc]
    """Application of actions without observations of chargers and the record of what was asked and why it was cut."""

    def _record_charger_action_feedback(self, *_: Any) -> None: ...

    def _record_charger_post_apply_feedback(self, *_: Any) -> None: ...

    def _record_storage_action_feedback(self, *_: Any) -> None: ...

    def _record_storage_post_apply_feedback(self, *_: Any) -> None: ...

    def update_ev_charger_observations(self, observations: Any, *_: Any, **__: Any) -> Any:
        return observations

    def _get_apply_action_cache(self) -> Any:
        """Return which action belongs to which device; neither changes."""
        return getattr(self, "_apply_action_cache", None) or super()._get_apply_action_cache()


class _LeanRuntime(CityLearnRuntimeService):  # type: ignore[misc]
    """CityLearn's step, which goes only to the chargers with a car.

    What the others would do is nothing: without a car `Charger.update_connected_electric_vehicle_soc` writes a
    consumption of 0, where `Charger.reset` wrote 0 already, and association passes over them.
    """

    def __init__(self, env: environment.CityLearnEnv) -> None:
        super().__init__(env)
        (self._building,) = env.buildings
        chargers = list(self._building.electric_vehicle_chargers)
        # What `parse_actions` makes of positions says where each charger's and the storage's action is.
        layout = super().parse_actions(list(range(len(env.action_names[0]))))[0]
        index_of = layout.pop(CHARGER_ACTIONS, {})
        self._storage = layout.items()
        self._actions = [(charger.charger_id, index_of[charger.charger_id]) for charger in chargers]
        states = [charger.charger_simulation.electric_vehicle_charger_state for charger in chargers]
        connected = np.array(states).reshape(len(chargers), env.time_steps) == CONNECTED
        here = [np.flatnonzero(row).tolist() for row in connected.T]
        self._actions_at = [[self._actions[index] for index in row] for row in here]
        self._chargers_at = [[chargers[index] for index in row] for row in here]
        vehicle_of = {vehicle.name: vehicle for vehicle in env.electric_vehicles}
        self._vehicles_at = [
            [vehicle_of[charger.charger_simulation.electric_vehicle_id[step]] for charger in row]
            for step, row in enumerate(self._chargers_at)
        ]
        for vehicle in env.electric_vehicles:
            vehicle.lean_connected = [False] * len(here)
        for step, row in enumerate(self._vehicles_at):
            for vehicle in row:
                vehicle.lean_connected[step] = True

    def parse_actions(self, actions: Sequence[float]) -> list[dict[str, Any]]:
        """Return the actions by name: of the chargers, those with a car, or with a request that a limit counts."""
        if self._building._charging_constraints_enabled:
            asked = [(name, index) for name, index in self._actions if actions[index] != 0.0]
        else:
            asked = []
        asked += self._actions_at[self.env.time_step]
        parsed: dict[str, Any] = {name: actions[index] for name, index in self._storage}
        return [parsed | {CHARGER_ACTIONS: {name: actions[index] for name, index in asked}}]

    def associate_chargers_to_electric_vehicles(self) -> None:
        """Connect the cars of this step; none is announced before it comes."""
        step = self.env.time_step
        building = SimpleNamespace(electric_vehicle_chargers=self._chargers_at[step])
        offer = SimpleNamespace(buildings=[building], electric_vehicles=self._vehicles_at[step], time_step=step)
        _associate(SimpleNamespace(env=offer))

    def simulate_unconnected_ev_soc(self) -> None:
        """Leave the cars that are away alone: a car brings its state of charge when it comes."""


_associate = _with_scalars(CityLearnRuntimeService.associate_chargers_to_electric_vehicles)
