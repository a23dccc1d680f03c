"""Small random sites for tests: valid, general, and made of values that CityLearn holds exactly (float32)."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from iquitos_citylearn.params import BessDispatch
from iquitos_citylearn.site.model import Battery, Charger, Curve, Sessions, Site, Weather, flat_efficiency

DAYS_PER_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def random_site(
    rng: np.random.Generator,
    n_chargers: int = 2,
    n_steps: int = 48,
    *,
    bess: BessDispatch = "automatic",
    plain: bool = False,
    busy_share: float = 0.9,
    longest_stay: int = 9,
) -> Site:
    """Return a random valid site.

    plain: flat curves, no standing loss, no fade, whole depth of discharge (the shape of the default site).
    busy_share: probability that a charger has any session at all.
    """
    chargers = tuple(_charger(rng, index, plain=plain) for index in range(n_chargers))
    hours = np.arange(n_steps)
    return Site(
        **calendar(n_steps),
        load_kwh=_f32(rng.uniform(0, 60, n_steps)),
        pv_kwh=_f32(np.where((hours % 24 > 5) & (hours % 24 < 18), rng.uniform(0, 120, n_steps), 0)),
        price_usd_per_kwh=_f32(rng.uniform(0.05, 0.5, n_steps)),
        carbon_kg_per_kwh=_f32(rng.uniform(0.1, 0.9, n_steps)),
        weather=_weather(rng, n_steps),
        pv_rated_power_kwp=float(rng.uniform(1, 200)),
        bess=None if bess == "none" else _battery(rng, 5, 200, plain=plain),
        bess_dispatch=bess,
        chargers=chargers,
        sessions=_sessions(rng, n_chargers, n_steps, busy_share, longest_stay),
    )


def calendar(n_steps: int) -> dict[str, np.ndarray]:
    """Return CityLearn's month, hour and day_type from 1 January 00:00, a Sunday."""
    day = np.arange(n_steps) // 24
    month_of_day = np.repeat(np.arange(1, 13), DAYS_PER_MONTH)
    return {
        "month": month_of_day[day % 365].astype(np.int64),
        "hour": (np.arange(n_steps) % 24 + 1).astype(np.int64),
        "day_type": ((day + 6) % 7 + 1).astype(np.int64),
    }


def assert_same(left: Any, right: Any, name: str = "site") -> None:
    """Assert that two dataclasses are equal field by field, exactly, dtypes included."""
    assert type(left) is type(right), name
    if is_dataclass(left):
        for item in fields(left):
            assert_same(getattr(left, item.name), getattr(right, item.name), f"{name}.{item.name}")
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype, name
        np.testing.assert_array_equal(left, right, err_msg=name, strict=True)
    elif isinstance(left, tuple):
        assert len(left) == len(right), name
        for index, pair in enumerate(zip(left, right, strict=True)):
            assert_same(*pair, f"{name}[{index}]")
    else:
        assert left == right, name


def _f32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def _charger(rng: np.random.Generator, index: int, *, plain: bool) -> Charger:
    power_kw = float(rng.uniform(1, 8))
    return Charger(
        name=f"charger_{index + 1:03d}",
        max_charging_power_kw=power_kw,
        min_charging_power_kw=0.0 if plain or rng.random() < 0.5 else float(rng.uniform(0, 0.5) * power_kw),
        efficiency=float(rng.uniform(0.8, 1.0)),
        ev=_battery(rng, 1, 10, plain=plain),
    )


def _battery(rng: np.random.Generator, smallest_kwh: float, largest_kwh: float, *, plain: bool) -> Battery:
    capacity_kwh = float(rng.uniform(smallest_kwh, largest_kwh))
    depth = 1.0 if plain else float(rng.choice([1.0, rng.uniform(0.5, 1.0)]))
    return Battery(
        energy_capacity_kwh=capacity_kwh,
        nominal_power_kw=float(rng.uniform(0.3, 1.5) * capacity_kwh),
        initial_soc=float(rng.uniform(1 - depth, 1)),
        depth_of_discharge=depth,
        power_efficiency_curve=flat_efficiency(float(rng.uniform(0.8, 1))) if plain else _curve(rng, 0.7),
        capacity_power_curve=_curve(rng, 1.0 if plain else 0.2),
        loss_coefficient=0.0 if plain else float(rng.choice([0.0, rng.uniform(0, 0.01)])),
        capacity_loss_coefficient=0.0 if plain else float(rng.choice([0.0, rng.uniform(0, 1e-3)])),
    )


def _curve(rng: np.random.Generator, lowest: float) -> Curve:
    inner = np.unique(rng.integers(1, 100, rng.integers(0, 4))) / 100
    x = (0.0, *inner.tolist(), 1.0)
    return x, tuple(rng.uniform(lowest, 1.0, len(x)).tolist())


def _weather(rng: np.random.Generator, n_steps: int) -> Weather:
    return Weather(
        temp_air_c=_f32(rng.uniform(20, 34, n_steps)),
        relative_humidity_percent=_f32(rng.uniform(40, 100, n_steps)),
        dhi_w_per_m2=_f32(rng.uniform(0, 400, n_steps)),
        dni_w_per_m2=_f32(rng.uniform(0, 800, n_steps)),
        ghi_w_per_m2=_f32(rng.uniform(0, 1000, n_steps)),
    )


def _sessions(
    rng: np.random.Generator, n_chargers: int, n_steps: int, busy_share: float, longest_stay: int
) -> Sessions:
    rows: list[tuple[int, int, int]] = []
    for charger in range(n_chargers):
        if rng.random() > busy_share:
            continue
        arrival = int(rng.integers(0, 4))
        while arrival < n_steps:
            departure = min(arrival + int(rng.integers(1, longest_stay + 1)), n_steps)
            rows.append((charger, arrival, departure))
            arrival = departure + int(rng.integers(1, 10))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Sessions(
        charger=table[:, 0].copy(),
        arrival_step=table[:, 1].copy(),
        departure_step=table[:, 2].copy(),
        arrival_soc=_f32(rng.choice([0.0, 0.25, 0.5, 1.0], len(rows)) * rng.random(len(rows))),
        required_soc=_f32(rng.uniform(0.0, 1.0, len(rows))),
    )
