"""The environment: compiled physics, two simulators, observation, action and reward."""
