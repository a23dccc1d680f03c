"""All that decides without training: the protocol, rules, plans, and how a policy is run over years."""
