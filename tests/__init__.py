import os

os.environ["IQUITOS_ARITHMETIC"] = "portable"  # whatever the params of this folder say

import iquitos_citylearn  # noqa: F401 - it sets the switches, before a test imports NumPy
