"""From the years of a policy to its figures, certified."""
