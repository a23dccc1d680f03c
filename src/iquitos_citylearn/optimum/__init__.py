"""The perfect-foresight optimum of a year: a linear program over every session and hour, and its plan as a policy."""
