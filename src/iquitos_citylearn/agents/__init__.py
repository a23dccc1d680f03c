"""Algorithms, training and rule-based policies."""
