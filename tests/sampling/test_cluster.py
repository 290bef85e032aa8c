from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from geoseek.sampling import SampleRequest, cluster_executor, run_sample
from geoseek.schemas import InputError, MissingExtraError, Split
from geoseek.workspace import SampleSettings
from tests.support import Write


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match="distributed") as caught, cluster_executor("tcp://127.0.0.1:1"):
        pass
    assert "geoseek[distributed]" in (caught.value.hint or "")


@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_draws_the_same_sample(candidates: pd.DataFrame, write_pool: Write, tmp_path: Path) -> None:
    from distributed import LocalCluster

    for number in range(3):
        write_pool(candidates.iloc[number::3], tmp_path / "pool" / f"{number}.parquet")
    settings = SampleSettings(pools=(f"p={tmp_path / 'pool'}",), sizes={Split.LOC: 500})
    outputs = [tmp_path / "local", tmp_path / "cluster"]
    requests = [SampleRequest(settings, 3, (Split.LOC,), output, True, report=False) for output in outputs]
    run_sample(requests[0])
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        cluster_executor(cluster.scheduler_address) as executor,
    ):
        run_sample(requests[1], executor=executor)
    for name in ("loc.parquet", "reserve.parquet", "manifest.json", "balance.json"):
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes()


@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_does_not_answer_is_said() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="No Dask scheduler"), cluster_executor("tcp://127.0.0.1:9", timeout_s=1.0):
        pass
