"""The years of a case, drawn anew, for studies on the twin that need no trained model and no run of the pipeline."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from iquitos_citylearn.env.year import Years
from iquitos_citylearn.evaluation.captured_share import Ends
from iquitos_citylearn.evaluation.judged import JUDGED
from iquitos_citylearn.evaluation.resolution import resolution
from iquitos_citylearn.evaluation.year_figures import year_figures
from iquitos_citylearn.evaluation.years import FIRST_EVALUATION_FORECAST_KEY, make_evaluated_years
from iquitos_citylearn.optimum.optimiser import Optimiser, Optimum
from iquitos_citylearn.params import Actions, EnvironmentParams, Params
from iquitos_citylearn.policies.making import make_policy
from iquitos_citylearn.policies.policy import Policy
from iquitos_citylearn.policies.register import UNCONTROLLED, policy_named
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.runtime.processes import run_in_processes
from iquitos_citylearn.site.draw import draw_site
from iquitos_citylearn.site.expectations import Expectations, fit_expectations
from iquitos_citylearn.site.model import Site

HEADLINE_FORECAST_KEY = 0
COST = JUDGED["cost"]


@dataclass(frozen=True)
class DrawnCase:
    """A case's evaluation years.

    Attributes
    ----------
    params : Params
        Params of the case.
    seeds : tuple of int
        Seeds of the years, the headline year first.
    sites : tuple of Site
        The years.
    expectations : Expectations
        From the training years.
    """

    params: Params
    seeds: tuple[int, ...]
    sites: tuple[Site, ...]
    expectations: Expectations

    @property
    def forecast_keys(self) -> tuple[int, ...]:
        """What decides the forecast errors of each year, as in the pipeline (`evaluation/years.py`)."""
        n_others = len(self.sites) - 1
        return (HEADLINE_FORECAST_KEY, *range(FIRST_EVALUATION_FORECAST_KEY, FIRST_EVALUATION_FORECAST_KEY + n_others))

    def years(self, actions: Actions, environment: EnvironmentParams | None = None) -> Years:
        """Return the years for policies whose actions mean the same, with the forecast errors of the pipeline.

        Parameters
        ----------
        actions : Actions
            What actions mean.
        environment : EnvironmentParams or None
            What policies see, if it differs from that of the case.
        """
        params = self.params if environment is None else self.params.model_copy(update={"environment": environment})
        return make_evaluated_years(params, self.seeds, self.sites, self.forecast_keys, actions, self.expectations)

    @cached_property
    def planned(self) -> Years:
        """The years for plans: under the mapping `raw`."""
        return self.years(Actions("raw"))

    @cached_property
    def optima(self) -> tuple[Optimum, ...]:
        """The optimum of each year for cost."""
        return tuple(Optimiser(year).optimum(COST.name) for year in self.planned)

    @cached_property
    def ends(self) -> dict[int, Ends]:
        """What there is to gain in cost, by the year's seed."""
        uncontrolled = make_policy(policy_named(UNCONTROLLED, self.params), self.planned, self.params)
        at_once = roll_out_years(uncontrolled, self.planned.setting)
        return {
            year.seed: Ends(
                year_figures(rollout, year)["adjusted"][COST.figure], optimum.replayed, resolution(year, COST.name)
            )
            for year, rollout, optimum in zip(self.planned, at_once, self.optima, strict=True)
        }

    def judge(self, policy: Policy, years: Years) -> Iterator[dict[str, float | int | None]]:
        """Run a policy on the twin, and yield its service-adjusted cost and its captured share of cost in each year."""
        for year, rollout in zip(years, roll_out_years(policy, years.setting), strict=True):
            cost = year_figures(rollout, year)["adjusted"][COST.figure]
            yield {"year": year.seed, COST.figure: cost, COST.share: self.ends[year.seed].share(cost)}

    def judge_named(
        self, name: str, environment: EnvironmentParams | None = None
    ) -> Iterator[dict[str, float | int | None]]:
        """Yield the same for a policy of the register, which sees what `environment` says."""
        entry = policy_named(name, self.params)
        years = self.years(entry.actions, environment)
        return self.judge(make_policy(entry, years, self.params), years)


def draw_case(params: Params) -> DrawnCase:
    """Draw the years of a case, and fit its expectations on its training years."""
    draws = params.site.draws
    seeds = (draws.headline_seed, *draws.evaluation_seeds)
    drawn = run_in_processes(partial(draw_site, params.site), (*seeds, *draws.training_seeds))
    sites = tuple(site for site, _ in drawn)
    return DrawnCase(params, seeds, sites[: len(seeds)], fit_expectations(sites[len(seeds) :]))
