"""Imported, before all else, by the process that others are forked from (`processes.fresh_processes`)."""

from iquitos_citylearn.runtime.process_memory import search_garbage_rarely

CANDIDATES = "iquitos_citylearn.evaluation.trained"
"""What it imports for the candidates of an agent's evaluation."""

search_garbage_rarely()  # while it imports the rest, and in every fork
