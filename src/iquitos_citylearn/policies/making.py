"""Policies without a model, made from their entries in the register."""

from pkgutil import resolve_name
from typing import Protocol

from iquitos_citylearn.env.year import Years
from iquitos_citylearn.params import Params
from iquitos_citylearn.policies.policy import Policy
from iquitos_citylearn.policies.register import PolicyEntry


class Maker(Protocol):
    """Function that makes a policy; the register names it as `module:function`."""

    def __call__(self, years: Years, params: Params, seed: int) -> Policy:
        """Return the policy for years of its action mapping; `seed` decides a policy that draws."""


def make_policy(entry: PolicyEntry, years: Years, params: Params, seed: int = 0) -> Policy:
    """Return a policy of the register for years of its action mapping."""
    make: Maker = resolve_name(entry.maker)
    return make(years, params, seed)
