"""Policies that decide without training: the protocol, the rules, plans, the register; and rollouts over years."""
