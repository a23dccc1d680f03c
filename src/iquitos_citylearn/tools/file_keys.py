"""Every key of the small JSON files that a run writes, key figures excepted: those are in `evaluation/key_figures.py`.

A dot leads into a nested object, `[]` into the items of a list, and a name in angle brackets is any of its kind:
`<key figure>`, `<mean figure>`, `<compared figure>` and `<difference>` are the lists of `key_figures.py`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iquitos_citylearn.evaluation.key_figures import COMPARED, DIFFERENCES, KEY_FIGURES, MEANS
from iquitos_citylearn.runtime.arithmetic import CONTRADICTING, SWITCHES
from iquitos_citylearn.tools.units import unit_of


@dataclass(frozen=True)
class Key:
    """A key of a file, or all keys of one pattern.

    Attributes
    ----------
    name : str
        The key, with the keys that lead to it.
    meaning : str
        Explanation.
    unit : str
        Unit, where the name does not end in it.
    """

    name: str
    meaning: str
    unit: str = ""

    @property
    def shown_unit(self) -> str:
        """Return the unit; `-` for none."""
        of_figure = OF_FIGURE if self.name.endswith(tuple(FIGURES)) else ""
        return self.unit or of_figure or unit_of(self.name) or "-"

    def matches(self, key: str) -> bool:
        """Tell whether a key of a file is of this pattern."""
        parts = re.split(r"(<[^>]+>)", self.name)
        return re.fullmatch("".join(map(_pattern, parts)), key) is not None


def _pattern(part: str) -> str:
    if not part.startswith("<"):
        return re.escape(part)
    return f"(?:{'|'.join(map(re.escape, FIGURES[part]))})" if part in FIGURES else r"[^.]+"


FIGURES: Mapping[str, Sequence[str]] = {
    "<key figure>": tuple(f"{name}[]" if figure.is_list else name for name, figure in KEY_FIGURES.items()),
    "<mean figure>": MEANS,
    "<compared figure>": tuple(KEY_FIGURES[name].flat_name for name in COMPARED),
    "<difference>": tuple(KEY_FIGURES[name].flat_name for name in DIFFERENCES),
}

OF_FIGURE = "as the figure"


def _reference(path: str) -> tuple[Key, ...]:
    """Return the keys of a year's reference (`evaluation.captured_share.Reference`)."""
    return (
        Key(f"{path}.uncontrolled_co2_kg", "CO2 of charging at once until full, adjusted."),
        Key(f"{path}.uncontrolled_cost_usd", "Cost of charging at once until full, adjusted."),
        Key(f"{path}.optimum_co2_kg", "CO2 of the plan of least CO2, in the simulator."),
        Key(f"{path}.optimum_cost_usd", "Cost of the plan of least cost, in the simulator."),
        Key(f"{path}.bound_co2_kg", "Value of the linear program for CO2."),
        Key(f"{path}.bound_cost_usd", "Value of the linear program for cost."),
        Key(f"{path}.resolution_co2_kg", "Smallest gain in CO2 that can be told from rounding."),
        Key(f"{path}.resolution_cost_usd", "The same for cost."),
    )


def _gain(path: str, years: str) -> tuple[Key, ...]:
    """Return the keys of what there is to gain (`comparison.gains.Gain`)."""
    gain, unit = f"{path}.<objective>", "its `unit`"
    return (
        Key(f"{gain}.unit", "Unit of the objective."),
        Key(f"{gain}.uncontrolled", f"Its figure for charging at once, adjusted, {years}.", unit),
        Key(f"{gain}.optimum", "The same for its own optimum.", unit),
        Key(f"{gain}.gain", "The difference of the two.", unit),
        Key(f"{gain}.share", "The same as a share of charging at once.", "1"),
        Key(f"{gain}.resolution", "Smallest gain that can be told from rounding.", unit),
        Key(f"{gain}.verdict", "`none` where no year has a gain above its resolution, `little` where the share is "
            "below `evaluation.little_gain_share`, else `much`."),
    )  # fmt: skip


OUT_OF_REACH = "Whether no policy can reach the bounds: the battery dispatches itself."
RESULT = (
    Key("status", "`complete`, or why the result is less than that; only a complete one is compared."),
    Key("error", "What went wrong; only where something did."),
    Key("policy", "Name of the policy."),
    Key("kind", "Kind of the policy: agent, rule, controller or optimum."),
    Key("seed", "Training seed of the run on top: the one with the median reward. Seed of the draws of a rule that "
        "draws; no such key otherwise."),
    Key("year", "Seed of the headline year."),
    Key("<key figure>", "Of the headline year."),
    Key("training.timesteps", "Steps of all environments together that the model was trained for."),
    Key("training.updates", "Updates of the networks."),
    Key("training.updates_per_timestep", "Updates by steps."),
    Key("untrained.<mean figure>", "Mean over the evaluation years of the same network before training."),
    Key("built_on", "The rule that the meaning of the battery's action builds on; only where there is one."),
    Key("imitated.<mean figure>", "Mean of the first seed with its battery as imitation left it; only with imitation."),
    Key("best_constant.action", "The constant action that emits least under this agent's action mapping, chosen in "
        "hindsight."),
    Key("best_constant.<mean figure>", "Mean of that action over the evaluation years."),
    Key("best_constant_cost.action", "The constant action that costs least."),
    Key("best_constant_cost.<mean figure>", "Mean of that action over the evaluation years."),
    Key("training_years.<mean figure>", "Mean of the trained agents over the years that they were trained on."),
    Key("optimum.<objective>.unit", "Unit of the objective."),
    Key("optimum.<objective>.bound", "Value of the linear program: no policy that serves every car does better.",
        "its `unit`"),
    Key("optimum.<objective>.replayed", "What its plan reaches in the simulator.", "its `unit`"),
    Key("optimum.<objective>.replayed_minus_bound", "The difference of the two.", "its `unit`"),
    Key("optimum.<objective>.uncontrolled", "What charging at once to full reaches, adjusted.", "its `unit`"),
    Key("optimum.<objective>.resolution", "Smallest gain that can be told from rounding.", "its `unit`"),
    Key("optimum.bound_out_of_reach", OUT_OF_REACH),
    Key("mean.<mean figure>", "Mean over all runs; null where a run has none."),
    *_reference("reference"),
    Key("reference.bound_out_of_reach", OUT_OF_REACH),
    Key("certification.<part>.year", "Seed of the year that CityLearn replayed; `headline`: the whole headline year, "
        "`sampled`: the first weeks of another."),
    Key("certification.<part>.n_steps", "Hours replayed.", "h"),
    Key("certification.<part>.max_abs_deviation", "Largest deviation of an energy [kWh] or SOC between CityLearn and "
        "the twin; 0 in a complete result."),
    Key("certification.<part>.left_out", "What CityLearn did not do because no replayed number depends on it; "
        "[The environment](environment.md) says why."),
    Key("runs[].seed", "Training seed of the run."),
    Key("runs[].year", "Seed of its year."),
    Key("runs[].<key figure>", "Of that seed in that year."),
)  # fmt: skip
_POLICY = "policies.<policy>"
_FIGURE = f"{_POLICY}.<compared figure>"
_IMPROVEMENT = f"{_POLICY}.improvement_over.<objective>.<other policy>"
COMPARISON = (
    Key("resampling.n_resamples", "Resamples of the bootstrap over seeds."),
    Key("resampling.confidence_level", "Level of all intervals."),
    Key("resampling.seed", "Seed of the resampling."),
    Key("n_steps", "Hours of a year.", "h"),
    *_gain("to_gain", "mean over the evaluation years"),
    Key("to_gain.<objective>.best.<kind>", "Policy of the kind that captures most, of those that serve the cars."),
    *_gain("headline_to_gain", "in the headline year"),
    Key(f"{_POLICY}.kind", "Kind of the policy: agent, rule, controller or optimum."),
    Key(f"{_POLICY}.n_seeds", "Seeds of the policy; 1 for a rule that draws nothing."),
    Key(f"{_POLICY}.n_years", "Years that it was evaluated on."),
    Key(f"{_POLICY}.saved.co2_kg", "Adjusted CO2 less than that of charging at once, mean over seeds and years."),
    Key(f"{_POLICY}.saved.cost_usd", "The same for cost."),
    Key(f"{_POLICY}.month_peaks_kw[]", "Highest import of each month, mean over seeds and years."),
    Key(f"{_FIGURE}.mean", "Mean over seeds and those years that have the figure. One that no year has is left out.",
        OF_FIGURE),
    Key(f"{_FIGURE}.iqm", "Interquartile mean of all runs.", OF_FIGURE),
    Key(f"{_FIGURE}.std", "Standard deviation over seeds, each with its mean over the years.", OF_FIGURE),
    Key(f"{_FIGURE}.min", "Least of the seeds' means.", OF_FIGURE),
    Key(f"{_FIGURE}.max", "Greatest of the seeds' means.", OF_FIGURE),
    Key(f"{_FIGURE}.ci_low", "Lower end of the mean's interval; with two seeds or more.", OF_FIGURE),
    Key(f"{_FIGURE}.ci_high", "Upper end of it.", OF_FIGURE),
    Key(f"{_FIGURE}.iqm_ci_low", "Lower end of the interquartile mean's interval; with two seeds or more.", OF_FIGURE),
    Key(f"{_FIGURE}.iqm_ci_high", "Upper end of it.", OF_FIGURE),
    Key(f"{_POLICY}.headline.<compared figure>", "Of the headline year of the median seed."),
    Key(f"{_POLICY}.minus_uncontrolled.<difference>", "Mean minus that of `uncontrolled`."),
    Key(f"{_POLICY}.minus_<agent>.<difference>", "Mean minus that of the first agent of the params."),
    Key(f"{_IMPROVEMENT}.mean", "Share of runs with less adjusted CO2, or cost, than the other policy's in the same "
        "year; those that rounding can't tell apart count half.", "1"),
    Key(f"{_IMPROVEMENT}.ci_low", "Lower end of its interval; with two seeds or more.", "1"),
    Key(f"{_IMPROVEMENT}.ci_high", "Upper end of it.", "1"),
    Key(f"{_POLICY}.replayed_steps.<part>", "Hours that CityLearn replayed.", "h"),
    Key(f"{_POLICY}.untrained.<mean figure>", "As in the result of the agent."),
    Key(f"{_POLICY}.built_on", "As in the result of the agent."),
    Key(f"{_POLICY}.imitated.<mean figure>", "As in the result of the agent."),
    Key(f"{_POLICY}.best_constant.action", "As in the result of the agent."),
    Key(f"{_POLICY}.best_constant.<mean figure>", "As in the result of the agent."),
    Key(f"{_POLICY}.best_constant_cost.action", "As in the result of the agent."),
    Key(f"{_POLICY}.best_constant_cost.<mean figure>", "As in the result of the agent."),
    Key(f"{_POLICY}.training_years.<mean figure>", "As in the result of the agent."),
    Key(f"{_POLICY}.learning_gain_co2", "Captured share of CO2 above those of the untrained network and of the best "
        "constant action.", "1"),
    Key(f"{_POLICY}.learning_gain_cost", "The same for cost, above the constant action that costs least.", "1"),
    Key("absent.<file>", "Why a result is not compared; only in a comparison of what is there (`--out`)."),
)  # fmt: skip
REFERENCES = (
    Key("bound_out_of_reach", OUT_OF_REACH),
    *_reference("years.<seed>"),
    Key("best_constant.<mapping>.<goal>.action", "The constant action that emits (`co2`) or costs (`cost`) least over "
        "the evaluation years under an action mapping."),
    Key("best_constant.<mapping>.<goal>.<mean figure>", "Mean of that action over the evaluation years."),
)  # fmt: skip
_FLEET = "sessions.fleets.<fleet>"
_DRAWS = "<draws>.<seed>"
DATASET = (
    Key("seed", "Seed of the headline year; all but the last lines are of it."),
    Key("n_steps", "Hours that the data set keeps.", "h"),
    Key("n_chargers", "Chargers."),
    Key("kept.load_kwh", "Load of the mall in these hours."),
    Key("kept.pv_kwh", "PV energy in these hours."),
    Key("ghi_kwh_per_m2", "Global horizontal irradiation of the whole year."),
    Key("load.annual_energy_kwh", "Load of the mall in the whole year."),
    Key("load.mean_kw", "Mean load."),
    Key("load.peak_kw", "Highest load of an hour."),
    Key("load.min_kw", "Lowest load of an hour."),
    Key("load.residual_std_kw", "Standard deviation of the load around its mean by hour of day."),
    Key("load.residual_lag1", "Autocorrelation of the same, one hour apart.", "1"),
    Key("load.monthly_energy_mwh.<month>", "Load by month.", "MWh"),
    Key("pv.annual_energy_kwh", "PV energy of the whole year."),
    Key("pv.peak_kw", "Highest PV power of an hour."),
    Key("pv.specific_yield_kwh_per_kwp", "PV energy by rated power."),
    Key("pv.performance_ratio", "Specific yield by horizontal irradiation.", "1"),
    Key("pv.monthly_energy_mwh.<month>", "PV energy by month.", "MWh"),
    Key("pv.dc_gain", "Factor on DC power that meets the stated energy; simulated PV only.", "1"),
    Key("pv.performance_ratio_poa", "Specific yield by irradiation on the modules; simulated PV only.", "1"),
    Key("pv.hours_at_inverter_limit", "Hours in which the inverters cut; simulated PV only.", "h"),
    Key("sessions.n_sessions", "Charging sessions kept."),
    Key("sessions.sessions_per_day", "Sessions a day.", "1/d"),
    Key("sessions.energy_requested_kwh_per_day", "Energy requested, into the batteries."),
    Key("sessions.energy_requested_site_kwh_per_day", "The same at the chargers' grid side."),
    Key(f"{_FLEET}.n_chargers", "Chargers of the fleet."),
    Key(f"{_FLEET}.sessions_per_charger_day", "Sessions by charger and day.", "1/d"),
    Key(f"{_FLEET}.energy_requested_kwh_per_day", "Energy requested by the fleet, into the batteries."),
    Key(f"{_FLEET}.stay_mean_hours", "Mean stay."),
    Key(f"{_FLEET}.share_that_can_wait_an_hour", "Share of sessions that can wait an hour and still get all they "
        "request.", "1"),
    Key(f"{_FLEET}.arrival_soc_mean", "Mean SOC at arrival.", "1"),
    Key(f"{_FLEET}.required_soc_mean", "Mean SOC required at departure.", "1"),
    Key(f"{_DRAWS}.load_annual_energy_kwh", "Of each year in `training` and `evaluation`: load of the mall."),
    Key(f"{_DRAWS}.load_peak_kw", "Its highest load of an hour."),
    Key(f"{_DRAWS}.pv_annual_energy_kwh", "Its PV energy."),
    Key(f"{_DRAWS}.n_sessions", "Its sessions."),
    Key(f"{_DRAWS}.energy_requested_kwh_per_day", "Energy requested in it, into the batteries."),
    Key("warnings[]", "What is doubtful about the site's figures, in sentences."),
)  # fmt: skip
ENVIRONMENT = (
    Key("python", "Version of Python."),
    Key("packages.<package>", "Version of each package that decides results."),
    Key("torch_cuda", "CUDA that PyTorch is built for, or `none`."),
    Key("torch_cpu_capability", "Instructions that PyTorch's kernels use."),
    Key("blas", "Libraries of linear algebra and threads, with versions."),
    Key("arithmetic", "Arithmetic in force: `portable`, `fastest`, or `unportable` without AVX2 and FMA."),
    Key("missing_instructions", "Instructions that portable arithmetic needs and the processor lacks, or `none`."),
    Key("numpy_avx512", "Whether NumPy uses AVX-512."),
    Key("openblas_core", "Processor that OpenBLAS computes for."),
    Key("mkl_cbwr", "Branch that MKL computes in."),
    *(
        Key(name.lower(), f"Environment variable `{name}` of the run.")
        for name in (*SWITCHES, *CONTRADICTING)
        if name != "MKL_CBWR"
    ),
    Key("machine", "Kind of machine."),
    Key("cpu", "Processor."),
    Key("cpu_flags", "Instructions of the processor that libraries choose their kernels by."),
)
RUN = (
    Key("command", "The command that wrote the folder."),
    Key("date", "The day on which it ran."),
)
