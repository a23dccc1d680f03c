import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iquitos_citylearn.env.reward import TERMS
from iquitos_citylearn.evaluation.captured_share import captured_shares
from iquitos_citylearn.evaluation.key_figures import (
    COMPARED,
    CRITICAL,
    KEY_FIGURES,
    MEANS,
    PARTS_OF_COST,
    PERCENT,
    SUMMED,
    TONNES,
    PrintForm,
    named,
)
from iquitos_citylearn.evaluation.kpis import make_timeseries
from iquitos_citylearn.evaluation.year_figures import mean_figures, year_figures
from iquitos_citylearn.evaluation.years import make_evaluated_years
from iquitos_citylearn.params import Actions
from iquitos_citylearn.policies.rollout import roll_out_years
from iquitos_citylearn.policies.rules import ConstantPolicy
from iquitos_citylearn.tools.import_graph import PACKAGE_FILE, SOURCES, modules_used_by, packages_imported_by
from tests.evaluation.test_candidates import REFERENCE
from tests.small import small_site, with_demand_charge


def names_of(figures, path=""):
    """Return the dotted names of nested figures, in their order."""
    return [
        name
        for key, value in figures.items()
        for name in (names_of(value, f"{path}{key}.") if isinstance(value, dict) else [f"{path}{key}"])
    ]


@pytest.mark.parametrize("demand_charge", [False, True])
def test_a_year_has_the_figures_of_the_table_in_its_order(params, demand_charge):
    site = with_demand_charge(small_site(4)) if demand_charge else small_site(4)
    years = make_evaluated_years(params, [2023], [site], [0], Actions("raw"))
    (rollout,) = roll_out_years(ConstantPolicy(1.0, site.n_chargers), years.setting)
    run = year_figures(rollout, years[0])
    run |= captured_shares(run, REFERENCE)
    parts = {"energy_cost_off_peak_usd", "demand_cost_usd"} if demand_charge else set()
    expected = [name for name, figure in KEY_FIGURES.items() if not figure.condition or name in parts]
    assert names_of(run) == expected
    assert list(mean_figures([run])) == list(MEANS)
    series = make_timeseries(rollout, years[0])
    assert set(SUMMED) < set(series)
    assert set(PARTS_OF_COST) & set(series) == parts


def test_the_table_has_every_term_of_the_reward():
    assert [name for name in KEY_FIGURES if name.startswith("reward.")] == [
        f"reward.{term}" for term in (*TERMS, "total")
    ]


def test_a_name_that_is_not_in_the_table_is_an_error():
    with pytest.raises(KeyError, match="co2_lb"):
        named("co2_kg", "co2_lb")


def test_what_a_result_of_the_smallest_form_keeps():
    assert CRITICAL == (
        "n_steps", "grid_import_kwh", "co2_kg", "cost_usd", "peak_import_kw", "ev_service", "ev_unmet_kwh",
        "captured_share_co2",
    )  # fmt: skip


def test_names_in_a_comparison_have_no_dots():
    assert [KEY_FIGURES[name].flat_name for name in COMPARED][-1] == "reward_total"


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (PERCENT, -11.7364, "-1,173.6 %"),
        (PERCENT, 0.99951, "100.0 %"),
        (PERCENT, -0.0004, "0.0 %"),  # a rounded zero has no sign
        (PERCENT, -0.0, "0.0 %"),
        (TONNES, 158863.7746, "158.86 t"),
        (PrintForm(1.0, "", 0), 346945.2, "346,945"),
        (PrintForm(1.0, "", 0), 100.0, "100"),
        (PERCENT, None, "-"),
    ],
)
def test_values_in_print(form, value, text):
    assert form.text(value) == text


@given(value=st.floats(-1e12, 1e12), scale=st.sampled_from([1e-3, 1.0, 100.0]), decimals=st.integers(0, 3))
@example(value=-0.0, scale=100.0, decimals=1)
@example(value=-0.00049, scale=100.0, decimals=1)
def test_no_zero_has_a_sign(value, scale, decimals):
    form = PrintForm(scale, "%", decimals)
    for text in (form.text(value), form.text(value, signed=True), form.cell(value, (value, -value))):
        assert re.search(r"[+-]0(\.0*)?(?![\d.,])", text) is None


@pytest.mark.parametrize(("value", "text"), [(0.5, "+50.0"), (-0.5, "-50.0"), (0.0004, "0.0"), (-0.0004, "0.0")])
def test_a_difference_has_its_sign_unless_it_is_nothing(value, text):
    assert PERCENT.number(value, signed=True) == text


def test_percent_is_in_the_cell_and_any_other_unit_in_the_heading():
    assert (PERCENT.heading("captured"), TONNES.heading("CO2")) == ("captured", "CO2 [t]")
    assert TONNES.cell(1234.0) == "1.23"
    assert PERCENT.cell(0.95, (0.9, 1.0)) == "95.0 [90.0, 100.0] %"
    assert PERCENT.cell(None) == "-"
    assert PrintForm(1.0, "", 0).heading("hours") == "hours"


def test_what_is_printed_equal_is_equal():
    assert PERCENT.rounded(0.98641) == PERCENT.rounded(0.98639) == 98.6


def test_the_table_imports_nothing_but_the_standard_library():
    table = SOURCES / "evaluation" / "key_figures.py"
    assert modules_used_by(table) - modules_used_by(PACKAGE_FILE) == {table}
    assert packages_imported_by(table) == {"collections", "dataclasses", "enum"}
