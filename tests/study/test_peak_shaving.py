import json
from dataclasses import replace

import numpy as np
import pytest

from iquitos_citylearn.site.citylearn_files.writer import write_dataset
from iquitos_citylearn.site.draw_files import write_draw
from iquitos_citylearn.stages.references import write_references
from iquitos_citylearn.study.peak_shaving import evaluate_peak_shaving, expected_load_kw
from tests.small import small_site, with_demand_charge, years_of


def test_the_expected_load_is_the_malls_and_the_cars_requests_while_open(params):
    load_kw = expected_load_kw(params.site)
    mall_kw = np.array(params.site.mall.hourly_mean_kw)
    # 903 kWh a day at an efficiency of 0.95 in the 13 hours from 9 to 22.
    assert (load_kw - mall_kw)[[8, 22]].tolist() == [0.0, 0.0]
    assert (load_kw - mall_kw)[[9, 21]] == pytest.approx(903 / 0.95 / 13)
    assert (load_kw - mall_kw).sum() == pytest.approx(903 / 0.95)


@pytest.mark.parametrize("bess", ["agent", "none"])
def test_it_has_a_result_where_the_battery_is_the_agents(params, monkeypatch, tmp_path, bess):
    site = with_demand_charge(small_site(4, bess=bess))
    write_dataset(site, tmp_path / "data/site")
    draws = params.site.draws
    for folder, seeds in (("evaluation", draws.evaluation_seeds), ("training", draws.training_seeds)):
        for seed, year in zip(seeds, years_of(site, len(seeds)), strict=True):
            other = with_demand_charge(replace(year, bess_dispatch=site.bess_dispatch))
            write_draw(other, tmp_path / "data" / folder / str(seed))
    monkeypatch.chdir(tmp_path)
    write_references(params)
    assert evaluate_peak_shaving(params) == (bess == "agent")
    file = tmp_path / "metrics/result_PEAK_SHAVING.json"
    assert file.is_file() == (bess == "agent")
    if bess == "agent":
        result = json.loads(file.read_text())
        assert (result["status"], result["agent"]) == ("complete", "PEAK_SHAVING")
        assert len(result["runs"]) == 3
