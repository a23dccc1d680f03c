"""CSV files of a data set, read as CityLearn reads them, with the checks that it leaves out."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from iquitos_citylearn.site.citylearn_files.layout import Limits
from iquitos_citylearn.site.citylearn_files.writer import DatasetError
from iquitos_citylearn.site.model import FloatArray, IntArray


class TableReader:
    """One CSV file with a row for each step.

    Parameters
    ----------
    file : Path
        The file.
    n_steps : int
        Rows that it must have.
    required, optional : tuple of str
        Columns that it must have, and may have; None: any others.
    """

    def __init__(
        self, file: Path, n_steps: int, required: tuple[str, ...], optional: tuple[str, ...] | None = ()
    ) -> None:
        self.file = file
        self.n_steps = n_steps
        self.table = _read(file, n_steps)
        missing = [name for name in required if name not in self.table.columns]
        if missing:
            raise DatasetError(f"{file}: column {missing[0]} is missing; the file has {list(self.table.columns)}")
        unknown = [name for name in self.table.columns if optional is not None and name not in (*required, *optional)]
        if unknown:
            raise DatasetError(f"{file}: column {unknown[0]} is not one that CityLearn knows here")
        if len(self.table) != n_steps:
            found = f"{len(self.table)}" if len(self.table) < n_steps else f"more than {n_steps}"
            raise DatasetError(f"{file}: {found} rows; allowed: {n_steps}, the simulation_end_time_step of the schema")

    def floats(self, column: str, limits: Limits) -> FloatArray:
        """Return a column as CityLearn holds it (float32), all rows within `limits`; shape (n_steps,)."""
        values = self.optional_floats(column)
        self.refuse(column, np.isnan(values), "a number")
        self.refuse(column, limits.refuse(values), str(limits))
        return values

    def optional_floats(self, column: str) -> FloatArray:
        """Return a column as CityLearn holds it (float32), NaN where a cell is empty; shape (n_steps,)."""
        if column not in self.table.columns:
            return np.full(self.n_steps, np.nan)
        series = self.table[column]
        if series.dtype.kind not in "iuf":
            self.refuse(column, self._no_number(column), "a number")
        with np.errstate(over="ignore"):
            values = series.to_numpy(dtype=np.float32).astype(np.float64)
        self.refuse(column, np.isinf(values), "finite numbers")
        return values

    def whole_numbers(self, column: str, lowest: int, highest: int) -> IntArray:
        """Return a column of whole numbers, lowest <= value <= highest; shape (n_steps,)."""
        values = self.floats(column, Limits(lowest, highest))
        self.refuse(column, values != np.round(values), "whole numbers")
        return values.astype(np.int64)

    def error(self, column: str, row: int, allowed: str) -> DatasetError:
        """Return the error for one cell."""
        cell = self.table[column].iloc[row] if column in self.table.columns else "missing"
        shown = "empty" if pd.isna(cell) else cell
        return DatasetError(f"{self.file}: {column} in row {row} (line {row + 2}) is {shown}; allowed: {allowed}")

    def refuse(self, column: str, wrong: NDArray[np.bool_], allowed: str) -> None:
        """Raise DatasetError for the first wrong row."""
        if wrong.any():
            raise self.error(column, int(np.flatnonzero(wrong)[0]), allowed)

    def _no_number(self, column: str) -> NDArray[np.bool_]:
        series = self.table[column]
        wrong = (pd.to_numeric(series, errors="coerce").isna() & series.notna()).to_numpy(dtype=np.bool_)
        return wrong if wrong.any() else np.ones(self.n_steps, dtype=np.bool_)


def _read(file: Path, n_steps: int) -> pd.DataFrame:
    if file.suffix.lower() != ".csv":
        raise DatasetError(f"{file}: only .csv files are read")
    try:
        with pd.option_context("future.infer_string", False):  # noqa: FBT003 - texts as objects, made in a third less time
            table = pd.read_csv(file, nrows=n_steps + 1)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file}: is not a CSV table: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise DatasetError(f"{file}: the rows have more cells than there are columns: {list(table.columns)}")
    return table
