"""CityLearn's battery, compiled: one set of kernels for the cars and for the stationary battery.

Bit-exact with `citylearn.energy_model.Battery` 3.0.2 for steps of one hour: states and balances are rounded to
float32 where CityLearn stores them and are float64 in between. Arrays hold float32 values as float64 (`to_single`).
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.env.kernels import inner_kernel, kernel
from iquitos_citylearn.site.model import Battery, Curve, FloatArray

TINY = 1e-6
"""CityLearn's guard against division by zero."""
ROOT_EXPONENT = 0.5


compiled = kernel()
"""Decorator of the kernels; without fast math, since they must equal CityLearn bit for bit."""


MAX_CURVE_POINTS = 16


class BatteryRecord(Protocol):
    """A battery as the kernels get it: by reference, an item of an array of dtype `BATTERY`.

    Attributes
    ----------
    capacity_kwh, nominal_power_kw : float
        Capacity C [kWh] and nominal power P [kW].
    min_soc, min_energy_kwh : float
        Lowest state of charge 1 - DoD, and the energy there [kWh].
    initial_soc : float
        State of charge at the start, a float32 value.
    retention : float
        1 minus the loss coefficient: share of the state of charge left after an hour.
    fade_kwh : float
        Capacity loss coefficient times C [kWh].
    is_flat : bool
        Both curves are flat; then `flat_power_kw` [kW] and the one-way efficiency `flat_root` replace them.
    root_exponent : float
        0.5, as data: the compiler would turn pow(x, 0.5) into sqrt(x), which differs from CityLearn's pow in the
        last bit for about one x in a thousand.
    n_power, power_soc, power_share
        Capacity-power curve: points in use, state of charge, share of P available there.
    n_efficiency, efficiency_power, efficiency
        Power-efficiency curve: points in use, power as a share of P, round-trip efficiency there.
    """

    capacity_kwh: float
    nominal_power_kw: float
    min_soc: float
    min_energy_kwh: float
    initial_soc: float
    retention: float
    fade_kwh: float
    is_flat: bool
    flat_power_kw: float
    flat_root: float
    root_exponent: float
    n_power: int
    n_efficiency: int
    power_soc: FloatArray
    power_share: FloatArray
    efficiency_power: FloatArray
    efficiency: FloatArray


_DTYPES = {float: (np.float64,), int: (np.int64,), bool: (np.bool_,), FloatArray: (np.float64, (MAX_CURVE_POINTS,))}
BATTERY = np.dtype([(name, *_DTYPES[kind]) for name, kind in BatteryRecord.__annotations__.items()], align=True)
Batteries = NDArray[np.void]


def make_batteries(batteries: Sequence[Battery], names: Sequence[str]) -> Batteries:
    """Return batteries as arrays for the kernels.

    Parameters
    ----------
    batteries : sequence of Battery
        The batteries.
    names : sequence of str
        What to call each in an error.

    Raises
    ------
    ValueError
        When a value is out of its range; names battery, field, value and range.
    """
    for battery, name in zip(batteries, names, strict=True):
        _check_battery(battery, f"battery of {name}")
    records = np.zeros(len(batteries), dtype=BATTERY)
    for record, battery in zip(records, batteries, strict=True):
        _fill_record(record, battery)
    return records


def _fill_record(record: np.void, battery: Battery) -> None:
    capacity = float(battery.energy_capacity_kwh)
    min_soc = 1.0 - float(battery.depth_of_discharge)
    power_soc, power_share = battery.capacity_power_curve
    efficiency_power, efficiency = battery.power_efficiency_curve
    record["capacity_kwh"] = capacity
    record["nominal_power_kw"] = battery.nominal_power_kw
    record["min_soc"] = min_soc
    record["min_energy_kwh"] = min_soc * capacity
    record["initial_soc"] = np.float32(max(float(battery.initial_soc), min_soc))
    record["retention"] = 1.0 - float(battery.loss_coefficient)
    record["fade_kwh"] = float(battery.capacity_loss_coefficient) * capacity
    record["is_flat"] = len(set(power_share)) == 1 and len(set(efficiency)) == 1
    record["flat_power_kw"] = float(battery.nominal_power_kw) * float(power_share[0])
    record["flat_root"] = float(efficiency[0]) ** ROOT_EXPONENT
    record["root_exponent"] = ROOT_EXPONENT
    record["n_power"], record["n_efficiency"] = len(power_soc), len(efficiency)
    record["power_soc"][: len(power_soc)] = power_soc
    record["power_share"][: len(power_soc)] = power_share
    record["efficiency_power"][: len(efficiency)] = efficiency_power
    record["efficiency"][: len(efficiency)] = efficiency


def _check_battery(battery: Battery, name: str) -> None:
    for field in ("energy_capacity_kwh", "nominal_power_kw"):
        value = getattr(battery, field)
        if not (np.isfinite(value) and value >= TINY):
            raise ValueError(f"{name}: {field} is {value}; it must be at least {TINY}")
    for field in ("initial_soc", "depth_of_discharge", "loss_coefficient", "capacity_loss_coefficient"):
        value = getattr(battery, field)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name}: {field} is {value}, outside 0 to 1")
    _check_curve(battery.capacity_power_curve, f"{name}: capacity_power_curve", lowest=0.0)
    _check_curve(battery.power_efficiency_curve, f"{name}: power_efficiency_curve", lowest=TINY)


def _check_curve(curve: Curve, name: str, lowest: float) -> None:
    x, y = (np.asarray(values, dtype=np.float64) for values in curve)
    if not 2 <= len(x) <= MAX_CURVE_POINTS or len(x) != len(y):
        raise ValueError(f"{name} has {len(x)} x and {len(y)} y values; it must have 2 to {MAX_CURVE_POINTS} points")
    if x[0] != 0.0 or x[-1] != 1.0 or not np.all(np.diff(x) > 0.0):
        raise ValueError(f"{name} has x values {x.tolist()}; they must rise from 0 to 1")
    if not np.all((y >= lowest) & (y <= 1.0)):
        raise ValueError(f"{name} has y values {y.tolist()}, outside {lowest} to 1")


@compiled
def to_single(value: float) -> float:
    """Return a float64 rounded to float32, as a float64 (the compiler keeps `float` of a float32 in float32)."""
    return np.float64(np.float32(value))  # type: ignore[return-value]


@inner_kernel
def _interpolate(x: FloatArray, y: FloatArray, n: int, value: float) -> float:
    index = 0
    while index < n - 2 and x[index + 1] < value:
        index += 1
    between: float = y[index] + (y[index + 1] - y[index]) * (value - x[index]) / (x[index + 1] - x[index])
    return between


@inner_kernel
def _root_efficiency(battery: BatteryRecord, power_kw: float) -> float:
    """Return the one-way efficiency at a power."""
    share = min(max(abs(power_kw) / battery.nominal_power_kw, 0.0), 1.0)
    root: float = (
        _interpolate(battery.efficiency_power, battery.efficiency, battery.n_efficiency, share) ** battery.root_exponent
    )
    return root


@inner_kernel
def _power_limit_kw(battery: BatteryRecord, energy_kwh: float) -> float:
    if battery.is_flat:
        return battery.flat_power_kw
    soc = energy_kwh / battery.capacity_kwh
    share = _interpolate(battery.power_soc, battery.power_share, battery.n_power, soc)
    return max(battery.nominal_power_kw * share, 0.0)


@inner_kernel
def _limit_charge(
    battery: BatteryRecord, energy_kwh: float, degraded_kwh: float, request_kwh: float
) -> tuple[float, float]:
    """Return the energy taken at the terminals [kWh] and the one-way efficiency."""
    available = min(request_kwh, _power_limit_kw(battery, energy_kwh))
    room = max(degraded_kwh - energy_kwh, 0.0)
    if battery.is_flat:
        root = battery.flat_root
        return min(available, room if root == 1.0 else room / max(root, TINY)), root
    root = _root_efficiency(battery, available)
    taken = min(available, room / max(root, TINY))
    root = _root_efficiency(battery, taken)
    return min(available, room / max(root, TINY)), root


@inner_kernel
def _limit_discharge(battery: BatteryRecord, energy_kwh: float, request_kwh: float) -> tuple[float, float]:
    """Return the energy given at the terminals [kWh] and the one-way efficiency."""
    available = min(request_kwh, _power_limit_kw(battery, energy_kwh))
    stored = max(energy_kwh - battery.min_energy_kwh, 0.0)
    if battery.is_flat:
        root = battery.flat_root
        return min(available, stored * root), root
    root = _root_efficiency(battery, available)
    given = min(available, stored * root)
    root = _root_efficiency(battery, given)
    return min(available, stored * root), root


@compiled
def charge_battery(
    battery: BatteryRecord, soc: float, degraded_kwh: float, request_kwh: float
) -> tuple[float, float, float]:
    """Charge (positive) or discharge a battery for one hour.

    Parameters
    ----------
    soc : float
        State of charge before, a float32 value.
    degraded_kwh : float
        Capacity left after fade [kWh].
    request_kwh : float
        Energy asked for, at the terminals [kWh].

    Returns
    -------
    tuple of float
        State of charge after, capacity left after fade [kWh], energy at the terminals [kWh].

    Notes
    -----
    With E the energy before, r the one-way efficiency, q the energy at the terminals after all limits:
    charging E' = min(E + q r, C), discharging E' = max(E_min, E - q / r). The efficiency depends on the power and
    the power on the efficiency; CityLearn settles both in two passes.
    """
    capacity = battery.capacity_kwh
    before = max(battery.min_energy_kwh, soc * capacity)
    if request_kwh >= 0.0:
        taken, root = _limit_charge(battery, before, degraded_kwh, request_kwh)
        after = min(before + taken * root, capacity)
    else:
        given, root = _limit_discharge(battery, before, -request_kwh)
        after = max(battery.min_energy_kwh, before - given / root)
    change = after - before
    balance = to_single(change * root) if change < 0.0 else to_single(change if root == 1.0 else change / root)
    if battery.fade_kwh > 0.0:
        fade = battery.fade_kwh * abs(balance) / (2.0 * max(degraded_kwh, TINY))
        degraded_kwh = max(degraded_kwh - fade, 0.0)
    return to_single(after / capacity), degraded_kwh, balance


@compiled
def idle_battery(battery: BatteryRecord, soc: float) -> float:
    """Return the state of charge after an hour with a request of 0: `charge_battery` in short.

    A state of charge below the lowest is lifted to it; any other stays, since rounding soc C / C to float32 gives
    back the float32 value soc.
    """
    if soc * battery.capacity_kwh < battery.min_energy_kwh:
        return to_single(battery.min_energy_kwh / battery.capacity_kwh)
    return soc


@compiled
def rest_battery(battery: BatteryRecord, soc: float) -> float:
    """Return the state of charge at the start of the next hour, after the standing loss."""
    return to_single(min(max(soc * battery.retention, battery.min_soc), 1.0))
