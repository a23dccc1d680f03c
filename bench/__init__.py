"""Measurements of speed; `python -m bench`."""

import iquitos_citylearn  # noqa: F401 - it chooses the arithmetic, before a part imports NumPy
