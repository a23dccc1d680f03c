"""Sessions of one charger file, where CityLearn and the twin see the same in it; an error everywhere else."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iquitos_citylearn.site.citylearn_files import layout
from iquitos_citylearn.site.citylearn_files.table_reader import TableReader
from iquitos_citylearn.site.model import FloatArray, IntArray

ABSENT_SOC = float(np.float32(-0.1))
"""What CityLearn's own data sets write where no car is; it reads an empty cell as this."""
SOC_COLUMNS = (layout.REQUIRED_SOC, layout.ARRIVAL_SOC, layout.CURRENT_SOC)
COUNT_DOWN = (
    "the rows left to the departure, 1 in the last connected row "
    "(a session ends by its last row, and leaves one free row before the next)"
)


@dataclass(frozen=True, kw_only=True)
class ChargerSessions:
    """What a charger's file says; arrays of shape (n_sessions,).

    Attributes
    ----------
    ev : str
        Id of the one car.
    arrival_step, departure_step : ndarray of int64
        First connected row, first row without the car.
    arrival_soc, required_soc : ndarray
        Fractions.
    """

    ev: str
    arrival_step: IntArray
    departure_step: IntArray
    arrival_soc: FloatArray
    required_soc: FloatArray


def read_charger_file(file: Path, n_steps: int, known_evs: set[str]) -> ChargerSessions:
    """Read the sessions of a charger: runs of rows with state 1.

    Parameters
    ----------
    file : Path
        The charger's CSV.
    n_steps : int
        Rows that it must have.
    known_evs : set of str
        Cars defined in the schema.

    Raises
    ------
    DatasetError
        Naming file, column and row, where CityLearn would read something else than sessions of one known car, each
        with a countdown, an arrival SOC and one required SOC.

    Notes
    -----
    The arrival SOC is the one that CityLearn 3.0.2 sets (`associate_chargers_to_electric_vehicles`): `current_soc` of
    the arrival row; where it is empty, `estimated_soc_arrival` of the row before, or, in row 0, of row 0.
    """
    reader = TableReader(file, n_steps, layout.CHARGER_COLUMNS, optional=None)
    state = _states(reader)
    connected = state == layout.CONNECTED
    ev = _car(reader, state, known_evs)
    edges = np.diff(connected.astype(np.int64), prepend=0, append=0)
    arrival, departure = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    session_of_row = np.cumsum(edges[:-1] == 1) - 1
    _check_countdown(reader, connected, departure[session_of_row] if len(departure) else np.zeros(n_steps, np.int64))
    soc = dict(zip(SOC_COLUMNS, _fractions(reader), strict=True))
    reader.optional_floats(layout.ARRIVAL_TIME)
    required = soc[layout.REQUIRED_SOC]
    reader.refuse(layout.REQUIRED_SOC, connected & np.isnan(required), "a number in every connected row")
    first = arrival[session_of_row] if len(arrival) else np.zeros(n_steps, np.int64)
    reader.refuse(layout.REQUIRED_SOC, connected & (required != required[first]), "one value for the whole session")
    _check_session_id(reader, connected, first)
    return ChargerSessions(
        ev=ev,
        arrival_step=arrival,
        departure_step=departure,
        arrival_soc=_arrival_soc(reader, arrival, soc),
        required_soc=required[arrival],
    )


def _states(reader: TableReader) -> IntArray:
    """Return the states; CityLearn takes the text of a cell, and only digits, so "1.0" would be no state to it."""
    series = reader.table[layout.STATE]
    allowed = "1 connected, 2 incoming or 3 away, as whole numbers in every row (one empty cell makes them all 1.0)"
    values = reader.optional_floats(layout.STATE)
    known = np.isin(values, (layout.CONNECTED, layout.INCOMING, layout.AWAY))
    reader.refuse(layout.STATE, ~known, allowed)
    if series.dtype.kind not in "iu":
        raise reader.error(layout.STATE, 0, allowed)
    return values.astype(np.int64)


def _car(reader: TableReader, state: IntArray, known_evs: set[str]) -> str:
    codes, cars = reader.table[layout.EV_ID].factorize()
    given = codes >= 0
    reader.refuse(layout.EV_ID, (state != layout.AWAY) & ~given, "the id of the car where one is connected or incoming")
    if not given.any():
        raise reader.error(layout.EV_ID, 0, "the id of the charger's car in one row at least, even where none comes")
    known = np.array([car in known_evs for car in cars])
    reader.refuse(layout.EV_ID, given & ~known[codes], f"a key of electric_vehicles_def, as text: {_some(known_evs)}")
    ev = str(cars[0])
    reader.refuse(layout.EV_ID, given & (codes != 0), f"one car for each charger, here {ev}")
    return ev


def _check_countdown(reader: TableReader, connected: NDArray[np.bool_], departure: IntArray) -> None:
    left = reader.optional_floats(layout.DEPARTURE_TIME)
    expected = departure - np.arange(reader.n_steps)
    reader.refuse(layout.DEPARTURE_TIME, connected & (left != expected), COUNT_DOWN)


def _check_session_id(reader: TableReader, connected: NDArray[np.bool_], first: IntArray) -> None:
    if layout.SESSION_ID in reader.table.columns:
        codes = reader.table[layout.SESSION_ID].factorize()[0]
        reader.refuse(layout.SESSION_ID, connected & (codes != codes[first]), "one id for the whole session")


def _fractions(reader: TableReader) -> list[FloatArray]:
    """Return the SOC columns as fractions, NaN where absent: all of a file's values <= 1, or all above (percent)."""
    raw = [reader.optional_floats(column) for column in SOC_COLUMNS]
    raw = [np.where(values == ABSENT_SOC, np.nan, values) for values in raw]
    percent = any((values > 1).any() for values in raw)
    fraction = any((values <= 1).any() for values in raw)
    for column, values in zip(SOC_COLUMNS, raw, strict=True):
        reader.refuse(column, (values < 0) | (values > 100), "0 to 1")
        if percent and fraction:
            allowed = "0 to 1: CityLearn reads a value above 1 as a percentage, and this file has fractions as well"
            reader.refuse(column, values > 1, allowed)
    if not percent:
        return raw
    return [(values.astype(np.float32) / np.float32(100)).astype(np.float64) for values in raw]


def _arrival_soc(reader: TableReader, arrival: IntArray, soc: dict[str, FloatArray]) -> FloatArray:
    estimated = soc[layout.ARRIVAL_SOC][np.maximum(arrival - 1, 0)]
    current = soc[layout.CURRENT_SOC][arrival]
    values = np.where(np.isnan(current), estimated, current)
    if np.isnan(values).any():
        row = int(arrival[np.flatnonzero(np.isnan(values))[0]])
        present = layout.CURRENT_SOC in reader.table.columns
        raise reader.error(
            layout.CURRENT_SOC if present else layout.ARRIVAL_SOC,
            row if present else max(row - 1, 0),
            f"the SOC of the car that arrives in row {row}, here or in {layout.ARRIVAL_SOC} of the row before",
        )
    return values


def _some(names: set[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(shown) + (" and so on" if len(names) > len(shown) else "")
