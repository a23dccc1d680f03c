"""A linear program for HiGHS, put together from blocks of columns and rows."""

import highspy
import numpy as np
from scipy import sparse

from iquitos_citylearn.site.model import FloatArray, IntArray

Entry = tuple[IntArray, IntArray, float]
"""Rows within the block, columns, and the coefficient that all of them have."""
Bound = FloatArray | float


class LinearModel:
    """Columns and rows as they are added; `build` hands them to HiGHS."""

    def __init__(self) -> None:
        self._columns: list[tuple[FloatArray, FloatArray]] = []
        self._rows: list[tuple[FloatArray, FloatArray]] = []
        self._entries: list[Entry] = []
        self._n_columns = 0
        self._n_rows = 0

    def add_columns(self, count: int, lower: Bound, upper: Bound) -> IntArray:
        """Add variables and return their indices, shape (count,)."""
        self._columns.append((np.broadcast_to(lower, count), np.broadcast_to(upper, count)))
        self._n_columns += count
        return np.arange(self._n_columns - count, self._n_columns)

    def add_rows(self, count: int, lower: Bound, upper: Bound, *entries: Entry) -> None:
        """Add constraints lower <= sum of coefficient x variable <= upper."""
        self._rows.append((np.broadcast_to(lower, count), np.broadcast_to(upper, count)))
        self._entries += [(self._n_rows + row, column, value) for row, column, value in entries]
        self._n_rows += count

    def build(self) -> highspy.HighsLp:
        """Return the program, with costs of 0."""
        rows, columns = (np.concatenate([entry[part] for entry in self._entries]) for part in (0, 1))
        values = np.concatenate([np.full(len(row), value) for row, _, value in self._entries])
        matrix = sparse.csc_array((values, (rows, columns)), shape=(self._n_rows, self._n_columns))
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self._n_columns, self._n_rows
        program.col_cost_ = np.zeros(self._n_columns)
        program.col_lower_, program.col_upper_ = (np.concatenate([b[side] for b in self._columns]) for side in (0, 1))
        program.row_lower_, program.row_upper_ = (np.concatenate([b[side] for b in self._rows]) for side in (0, 1))
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        return program
