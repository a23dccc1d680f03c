"""Does learned charging control cut CO2 and cost at a mall in Iquitos? A pipeline that answers it repeatably."""

from iquitos_citylearn.runtime.arithmetic import choose_arithmetic

choose_arithmetic()  # before anything numerical is imported
