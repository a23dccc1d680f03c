"""The figures of a policy: from its years to a certified result."""
