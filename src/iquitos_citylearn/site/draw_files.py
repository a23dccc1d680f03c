"""A draw of the site in compact files: series and sessions as Parquet, equipment as JSON."""

import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from iquitos_citylearn.params import BessDispatch
from iquitos_citylearn.runtime.artifacts import write_json, write_through
from iquitos_citylearn.site.model import WEATHER_SERIES, Battery, Charger, Sessions, Site, Weather
from iquitos_citylearn.site.validity import session_problem

SERIES_FILE = "series.parquet"
SESSIONS_FILE = "sessions.parquet"
EQUIPMENT_FILE = "equipment.json"

CALENDAR_COLUMNS = ("month", "hour", "day_type")
SERIES_COLUMNS = ("load_kwh", "pv_kwh", "price_usd_per_kwh", "carbon_kg_per_kwh")
SESSION_INTEGERS = ("charger", "arrival_step", "departure_step")
SESSION_FRACTIONS = ("arrival_soc", "required_soc")

COMPRESSION = "zstd"
COMPRESSION_LEVEL = 9

# Arrow's own pool would keep the memory of what it read for as long as the process lives.
pa.set_memory_pool(pa.system_memory_pool())


class DrawFileError(ValueError):
    """A draw on disk is missing or damaged; the message names file and column."""


@dataclass(frozen=True, kw_only=True)
class Equipment:
    """Content of `equipment.json`: all of a site but its series and sessions."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    pv_rated_power_kwp: float
    bess: Battery | None
    bess_dispatch: BessDispatch
    demand_charge_usd_per_kw_month: float = 0.0
    chargers: tuple[Charger, ...]
    import_limit_kw: float | None = None


def write_draw(site: Site, folder: Path) -> None:
    """Write a draw: `series.parquet`, `sessions.parquet` and `equipment.json`.

    The same site gives the same bytes, and reads back exactly.

    Parameters
    ----------
    site : Site
        The draw.
    folder : Path
        Where to write; made if it is not there.

    Raises
    ------
    ArtifactError
        If a file can't be written.
    """
    series = {name: getattr(site, name) for name in (*CALENDAR_COLUMNS, *SERIES_COLUMNS)}
    series |= {name: getattr(site.weather, name) for name in WEATHER_SERIES}
    sessions = {name: getattr(site.sessions, name) for name in (*SESSION_INTEGERS, *SESSION_FRACTIONS)}
    equipment = Equipment(
        pv_rated_power_kwp=site.pv_rated_power_kwp,
        bess=site.bess,
        bess_dispatch=site.bess_dispatch,
        demand_charge_usd_per_kw_month=site.demand_charge_usd_per_kw_month,
        chargers=site.chargers,
        import_limit_kw=site.import_limit_kw,
    )
    content = asdict(equipment)
    if not site.demand_charge_usd_per_kw_month:
        del content["demand_charge_usd_per_kw_month"]
    if site.import_limit_kw is None:
        del content["import_limit_kw"]
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / SERIES_FILE, series)
    _write_table(folder / SESSIONS_FILE, sessions)
    write_json(folder / EQUIPMENT_FILE, content)


def read_draw(folder: Path) -> Site:
    """Read a draw.

    Parameters
    ----------
    folder : Path
        Where `write_draw` wrote it.

    Returns
    -------
    Site
        The same site, exactly.

    Raises
    ------
    DrawFileError
        If a file is missing or damaged, a column is missing or holds what it can't; with file, column and row.
    """
    series = _read_table(folder / SERIES_FILE, CALENDAR_COLUMNS, (*SERIES_COLUMNS, *WEATHER_SERIES))
    table = _read_table(folder / SESSIONS_FILE, SESSION_INTEGERS, SESSION_FRACTIONS)
    equipment = _read_equipment(folder / EQUIPMENT_FILE)
    n_steps = len(series["month"])
    if n_steps == 0:
        raise DrawFileError(f"{folder / SERIES_FILE}: has no rows")
    sessions = Sessions(**table)
    problem = session_problem(sessions, n_steps, len(equipment.chargers))
    if problem is not None:
        raise _column_error(folder / SESSIONS_FILE, *problem)
    try:
        return Site(
            **{name: series[name] for name in (*CALENDAR_COLUMNS, *SERIES_COLUMNS)},
            weather=Weather(**{name: series[name] for name in WEATHER_SERIES}),
            sessions=sessions,
            **{item.name: getattr(equipment, item.name) for item in fields(Equipment)},
        )
    except ValueError as error:
        raise DrawFileError(f"{folder / EQUIPMENT_FILE}: {error}") from None


def replace_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary folder, then put it in the place of `folder`.

    Parameters
    ----------
    folder : Path
        The folder to replace or to make.
    write : callable
        Fills the folder that it is given. When it raises, an earlier `folder` stays as it is.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    earlier = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        if folder.exists():
            folder.rename(earlier)
        temporary.rename(folder)
    finally:
        for leftover in (temporary, earlier):
            if leftover.exists():
                shutil.rmtree(leftover)


def _write_table(path: Path, columns: dict[str, NDArray[Any]]) -> None:
    table = pa.table(columns)
    write_through(
        path,
        lambda temporary: pq.write_table(
            table,
            temporary,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            write_page_checksum=True,
        ),
    )


def _read_table(path: Path, integers: tuple[str, ...], floats: tuple[str, ...]) -> dict[str, Any]:
    """Return the columns of a Parquet file as arrays; DrawFileError unless they are these, of these types."""
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except (OSError, pa.ArrowException) as error:
        raise DrawFileError(f"{path}: cannot be read: {error}") from error
    expected = dict.fromkeys(integers, pa.int64()) | dict.fromkeys(floats, pa.float64())
    for name, kind in expected.items():
        if name not in table.column_names:
            raise DrawFileError(f"{path}: column {name} is missing; the file has {table.column_names}")
        column = table.column(name)
        if column.type != kind:
            raise DrawFileError(f"{path}: column {name} is {column.type}; allowed: {kind}")
        if column.null_count:
            raise DrawFileError(f"{path}: column {name} has {column.null_count} empty rows; allowed: none")
    unknown = [name for name in table.column_names if name not in expected]
    if unknown:
        raise DrawFileError(f"{path}: column {unknown[0]} is unknown; allowed: {list(expected)}")
    arrays = {name: table.column(name).to_numpy() for name in expected}
    for name, values in arrays.items():
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            raise _column_error(path, name, row, values[row], "finite numbers")
    return arrays


def _read_equipment(path: Path) -> Equipment:
    try:
        return TypeAdapter(Equipment).validate_json(path.read_bytes())
    except OSError as error:
        raise DrawFileError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise DrawFileError(f"{path}: {'; '.join(problems)}") from None


def _column_error(path: Path, name: str, row: int, value: float, allowed: str) -> DrawFileError:
    return DrawFileError(f"{path}: column {name} is {value} in row {row}; allowed: {allowed}")
