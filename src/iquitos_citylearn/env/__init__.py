"""The environment: compiled physics, two simulators, what the agent sees, does and is paid."""
