"""The register of policies: every policy without a model, in the order in which comparisons list them.

A rule is added in two places: its class or function in the policies room, and its entry here. Agents are not listed:
`params.yaml` names them (`train.<name>`), and `policies_of` appends them. Everything else follows: the command line,
the stages, `dvc.yaml` (`make deps`), the comparison and the study.

Nothing heavy is imported here, so that the command line starts fast: an entry names its maker as `module:function`.
"""

from dataclasses import dataclass
from enum import StrEnum

from iquitos_citylearn.params import Actions, Params

UNCONTROLLED = "uncontrolled"
"""Charging at once to full: the policy that gains are counted from."""


class Kind(StrEnum):
    """Kind of a policy.

    An agent is trained. A rule follows a formula. A controller plans ahead with forecasts, without foresight.
    An optimum knows the whole year.
    """

    AGENT = "agent"
    RULE = "rule"
    CONTROLLER = "controller"
    OPTIMUM = "optimum"


@dataclass(frozen=True, kw_only=True)
class PolicyEntry:
    """A policy of the register.

    Attributes
    ----------
    name : str
        Name in lower case, as on the command line; results are called `result_<NAME>.json`.
    kind : Kind
        Agent, rule, controller or optimum.
    summary : str
        One line for readers.
    action_mapping : str
        Meaning of its actions, a name in `env.action.MAPPINGS`.
    bess_mapping : str
        The same of a battery under the agent, a name in `env.action.BESS_MAPPINGS`.
    maker : str
        `module:function` of its `policies.making.Maker`; empty for an agent, which is read from its model.
    replayed_in_full : bool
        Whether CityLearn replays its whole headline year, and its time series is published.
    seeded : bool
        Whether it is run once for each of `evaluation.random_seeds`.
    params : tuple of str
        Keys of params.yaml that its maker reads.
    needs_dispatched_bess : bool
        Whether it exists only where the battery is dispatched by a policy.
    where_optima_differ : bool or None
        True: it exists only where CO2 and cost have different optima. False: only where one plan has the least of both.
        None: everywhere.
    """

    name: str
    kind: Kind
    summary: str
    action_mapping: str
    bess_mapping: str = "greedy_offset"
    maker: str = ""
    replayed_in_full: bool = False
    seeded: bool = False
    params: tuple[str, ...] = ()
    needs_dispatched_bess: bool = False
    where_optima_differ: bool | None = None

    @property
    def actions(self) -> Actions:
        """What its actions mean."""
        return Actions(self.action_mapping, self.bess_mapping)

    @property
    def result_name(self) -> str:
        """Name of the policy in its files: `SAC` in `result_SAC.json`."""
        return self.name.upper()


REGISTER: tuple[PolicyEntry, ...] = (
    PolicyEntry(
        name=UNCONTROLLED,
        kind=Kind.RULE,
        summary="charge at once, at full power, until full",
        action_mapping="raw",
        maker="iquitos_citylearn.policies.rules:uncontrolled",
        replayed_in_full=True,
    ),
    PolicyEntry(
        name="required",
        kind=Kind.RULE,
        summary="charge at once, but only what the driver asked for",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.rules:required",
        replayed_in_full=True,
    ),
    PolicyEntry(
        name="latest",
        kind=Kind.RULE,
        summary="charge what the driver asked for, as late as still gets there",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.rules:latest",
    ),
    PolicyEntry(
        name="least_laxity",
        kind=Kind.RULE,
        summary="charge the cars that can wait least first, all together below a limit",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.rules:least_laxity",
        params=("evaluation.least_laxity_limit_share",),
    ),
    PolicyEntry(
        name="solar_following",
        kind=Kind.RULE,
        summary="share out the forecast PV surplus; from the grid only what can not wait",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.rules:solar_following",
    ),
    PolicyEntry(
        name="level",
        kind=Kind.RULE,
        summary="charge as `required`; import little, early enough for the battery to last the night",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.level:level",
        params=("environment.level",),
        replayed_in_full=True,
        needs_dispatched_bess=True,
    ),
    PolicyEntry(
        name="mpc",
        kind=Kind.CONTROLLER,
        summary="plan cars and battery by a linear program in every hour, with forecasts and scenarios",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.mpc:mpc",
        params=("control.mpc",),
        replayed_in_full=True,
    ),
    PolicyEntry(
        name="rollout",
        kind=Kind.CONTROLLER,
        summary="improve on `level`: try import targets over scenarios until PV refills the battery",
        action_mapping="need_limited",
        maker="iquitos_citylearn.policies.policy_improvement:rollout",
        params=("environment.level", "control.rollout"),
        replayed_in_full=True,
        needs_dispatched_bess=True,
    ),
    PolicyEntry(
        name="random",
        kind=Kind.RULE,
        summary="draw every charger's share of its rating anew each hour",
        action_mapping="raw",
        maker="iquitos_citylearn.policies.rules:random_shares",
        seeded=True,
        params=("evaluation.random_seeds",),
    ),
    PolicyEntry(
        name="idle",
        kind=Kind.RULE,
        summary="charge nothing",
        action_mapping="raw",
        maker="iquitos_citylearn.policies.rules:idle",
    ),
    PolicyEntry(
        name="optimum",
        kind=Kind.OPTIMUM,
        summary="follow the plan of least CO2 and cost, made with perfect foresight",
        action_mapping="raw",
        maker="iquitos_citylearn.optimum.optimiser:least_co2_plans",
        replayed_in_full=True,
        where_optima_differ=False,
    ),
    PolicyEntry(
        name="optimum_co2",
        kind=Kind.OPTIMUM,
        summary="follow the plan of least CO2, made with perfect foresight",
        action_mapping="raw",
        maker="iquitos_citylearn.optimum.optimiser:least_co2_plans",
        replayed_in_full=True,
        where_optima_differ=True,
    ),
    PolicyEntry(
        name="optimum_cost",
        kind=Kind.OPTIMUM,
        summary="follow the plan of least cost, made with perfect foresight",
        action_mapping="raw",
        maker="iquitos_citylearn.optimum.optimiser:least_cost_plans",
        replayed_in_full=True,
        where_optima_differ=True,
    ),
)


def policies_of(params: Params) -> list[PolicyEntry]:
    """Return every policy of a site: those of the register that exist there, then the agents of the params.

    Raises
    ------
    ValueError
        If an agent has the name of another policy.
    """
    dispatched = params.site.bess is not None and params.site.bess.dispatch == "agent"
    differ = optima_differ(params)
    entries = [
        entry
        for entry in REGISTER
        if (dispatched or not entry.needs_dispatched_bess) and entry.where_optima_differ in {None, differ}
    ]
    for name in params.train.agents:
        if any(name == entry.name for entry in REGISTER):
            raise ValueError(f"train.{name}: the name {name!r} belongs to a {_kind_of(name)}; choose another")
        entries.append(
            PolicyEntry(
                name=name,
                kind=Kind.AGENT,
                summary=f"trained with {params.train.agents[name].algorithm}",
                action_mapping=params.agent(name).action_mapping,
                bess_mapping=params.agent(name).bess_mapping,
                replayed_in_full=True,
            )
        )
    return entries


def optima_differ(params: Params) -> bool:
    """Return whether CO2 and cost have different optima: whether an imported kWh costs more in some hours than others.

    The carbon intensity is one number, so CO2 depends on the imported energy alone.
    """
    grid = params.site.grid
    has_peak_tariff = grid.peak_tariff_usd_per_kwh not in {None, grid.tariff_usd_per_kwh}
    return has_peak_tariff or grid.demand_charge_usd_per_kw_month > 0.0


def rules_on_the_twin(params: Params) -> list[PolicyEntry]:
    """Return the rules of a site whose headline year CityLearn does not replay in full."""
    return [entry for entry in policies_of(params) if entry.kind is Kind.RULE and not entry.replayed_in_full]


def baselines(params: Params) -> list[PolicyEntry]:
    """Return the policies of a site without a model whose headline year CityLearn replays in full."""
    return [entry for entry in policies_of(params) if entry.kind is not Kind.AGENT and entry.replayed_in_full]


def policy_named(name: str, params: Params) -> PolicyEntry:
    """Return a policy by its name.

    Raises
    ------
    ValueError
        If there is none; lists the valid names.
    """
    found = {entry.name: entry for entry in policies_of(params)}
    if name not in found:
        raise ValueError(f"policy is {name!r}; valid are {', '.join(found)}")
    return found[name]


def _kind_of(name: str) -> Kind:
    return next(entry.kind for entry in REGISTER if entry.name == name)
