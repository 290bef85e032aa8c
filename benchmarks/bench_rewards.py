"""The spatial reward: completions per second cold and warm, ratio to a naive scan, and accuracy.

    python benchmarks/bench_rewards.py                     # 4,096 completions, three processes; about three minutes

The completions are tagged chains of the size of real ones. Their answers are all different, and as models write them:
most in English and complete, others with typing errors, in another script, with the region or the place missing (the
shares are in `SHARES`). Every answer means a known place, whose coordinates are the truth. A twentieth of the texts has
an error in the JSON, 2 % are cut off and have no answer.

cold    first batch of a process that has just been started; loading the gazetteer from its cache is included
fresh   a second batch, of other completions, in the same process
warm    the first batch again: what was said before is remembered
naive   a regular expression finds the answer, a table of all names the country, and rapidfuzz compares the last part
        with all names of all places of that country; what is less than 80 % alike gives the country's middle

All figures are of one process and in seconds of processor time, the median over the processes counts, and in each of
them all four ways run on the same completions.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measure import HEADER, line
from rapidfuzz import fuzz, process

from geoseek.geo import haversine_km
from geoseek.geo.gazetteer.evaluation import NEAR_KM, Case, TestSet
from geoseek.geo.gazetteer.sources import read_country_names, read_places
from geoseek.schemas import ChainOfThought, Stage, Uncertainty, render_tagged
from geoseek.training.rewards import Resources, geo_spatial, read_truth, spatial_reward

SHARES = {
    "exact": 0.40,
    "with admin2": 0.05,
    "alternate name": 0.06,
    "native script": 0.08,
    "abbreviated region": 0.03,
    "administrative words": 0.05,
    "reversed": 0.03,
    "one typo": 0.08,
    "two typos": 0.02,
    "typo in region": 0.02,
    "typo in country": 0.01,
    "region missing": 0.08,
    "place missing": 0.07,
    "country only": 0.02,
}
REQUIRED_RATIO = 100.0
_SPOILT, _CUT_OFF = 0.05, 0.02
_WARM_RUNS = 5
_NAIVE_LIKENESS = 80.0
_SENTENCES = (
    "The script on the signs and the plates of the cars together leave only a few countries. ",
    "Vegetation and the colour of the soil fit the dry interior rather than the coast. ",
    "The road is narrow, without a shoulder, and the houses stand close to it, as in villages of this area. ",
    "A shop sign names the district, and the shape of the hills behind it fits the edge of the basin. ",
)
_CLUES = ("yellow plates", "bollards with a red reflector", "left-hand traffic", "a church with two towers")
Batch = dict[str, list[Any]]


def make_batch(cases: list[Case], dice: random.Random) -> Batch:
    """Return completions that answer with the cases' addresses, and where these are."""
    return {
        "completions": [_spoil(render_tagged(_chain(case.address, dice)), dice) for case in cases],
        "lat": [case.lat for case in cases],
        "lng": [case.lng for case in cases],
    }


def _chain(address: str, dice: random.Random) -> ChainOfThought:
    country, *rest = (address if ";" in address else address.replace(",", ";")).split("; ")

    def stage(conclusion: str) -> Stage:
        return Stage(
            clues=tuple(dice.choices(_CLUES, k=dice.randint(2, 4))),
            reasoning="".join(dice.choices(_SENTENCES, k=dice.randint(2, 4))),
            conclusion=conclusion,
            uncertainty=dice.choice(list(Uncertainty)),
        )

    region, precise = (stage(rest[at]) if len(rest) > at else None for at in (0, 1))
    return ChainOfThought(country=stage(country), region=region, precise=precise, final_answer=address)


def _spoil(text: str, dice: random.Random) -> str:
    drawn = dice.random()
    if drawn < _CUT_OFF:
        return text[: len(text) // 2]
    return text.replace('"}', '",}') if drawn < _CUT_OFF + _SPOILT else text


def draw_batches(size: int, seed: int) -> list[Batch]:
    """Return two batches of that size without a common place."""
    dice = random.Random(seed)  # noqa: S311
    wanted = {family: math.ceil(share * size) for family, share in SHARES.items()}
    families: dict[str, list[Case]] = defaultdict(list)
    for case in TestSet(2 * max(wanted.values()), seed).cases:
        families[case.family].append(case)
    batches = []
    for number in range(2):
        cases = [case for family, count in wanted.items() for case in families[family][number * count :][:count]]
        dice.shuffle(cases)
        batches.append(make_batch(cases[:size], dice))
    return batches


class NaiveScan:
    """What a few lines without an index do."""

    def __init__(self) -> None:
        self._countries = {name.casefold(): code for code, _, name in read_country_names()}
        self._names: dict[str, list[str]] = defaultdict(list)
        self._at: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for place in read_places():
            for name in dict.fromkeys((place.name, *place.names)):
                self._names[place.country].append(name.casefold())
                self._at[place.country].append((place.lat, place.lng))
        self._middle = {
            code: (statistics.fmean(lat for lat, _ in at), statistics.fmean(lng for _, lng in at))
            for code, at in self._at.items()
        }

    def score(self, batch: Batch) -> list[tuple[float, float | None]]:
        """Return the reward and the distance of each completion."""
        rows = zip(batch["completions"], batch["lat"], batch["lng"], strict=True)
        return [self._one(text, lat, lng) for text, lat, lng in rows]

    def _one(self, text: str, lat: float, lng: float) -> tuple[float, float | None]:
        found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
        place = self._locate(found[1]) if found else None
        if place is None:
            return 0.0, None
        distance_km = float(haversine_km(*place, lat, lng))
        return spatial_reward(distance_km), distance_km

    def _locate(self, answer: str) -> tuple[float, float] | None:
        parts = [part.strip().casefold() for part in re.split("[;；]" if ";" in answer else "[,，]", answer)]
        if parts[0] not in self._countries and parts[-1] in self._countries:
            parts.reverse()
        code = self._countries.get(parts[0])
        if code is None:
            nearest = process.extractOne(parts[0], self._countries.keys(), scorer=fuzz.ratio)
            code = self._countries[nearest[0]]
        if code not in self._middle:
            return None
        best = None
        if len(parts) > 1:
            best = process.extractOne(parts[-1], self._names[code], scorer=fuzz.ratio, score_cutoff=_NAIVE_LIKENESS)
        return self._middle[code] if best is None else self._at[code][best[2]]


def score(batch: Batch, resources: Resources) -> list[tuple[float, float | None]]:
    """Return what `geo_spatial` says: the reward and the distance of each completion."""
    truth = read_truth(len(batch["completions"]), batch)
    found = geo_spatial(batch["completions"], truth, resources=resources)
    return [(value or 0.0, seen["distance_km"]) for value, seen in zip(found.values, found.details, strict=True)]


def _timed(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_child(path: Path) -> None:
    """Time all four ways, and print completions per second."""
    first, second = json.loads(path.read_text(encoding="utf-8"))
    size = len(first["completions"])
    resources = Resources()
    seconds = {"cold": _timed(lambda: score(first, resources))}
    seconds["warm"] = statistics.median(_timed(lambda: score(first, resources)) for _ in range(_WARM_RUNS))
    seconds["fresh"] = _timed(lambda: score(second, resources))
    naive = NaiveScan()
    seconds["naive"] = _timed(lambda: naive.score(first))
    print(json.dumps({name: size / spent for name, spent in seconds.items()}))


def measure_speed(batches: list[Batch], runs: int) -> dict[str, float]:
    """Return the median over processes of the completions per second of each way."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "batches.json"
        path.write_text(json.dumps(batches), encoding="utf-8")
        found = [
            json.loads(
                subprocess.run(
                    [sys.executable, __file__, "--child", str(path)], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(runs)
        ]
    return {name: statistics.median(run[name] for run in found) for name in found[0]}


def accuracy(scored: list[tuple[float, float | None]]) -> dict[str, float]:
    """Return median distance (no answer counts as infinitely far), share within 25 km, mean reward."""
    distances = [math.inf if km is None else km for _, km in scored]
    return {
        "median km": statistics.median(distances),
        "within 25 km, %": 100 * statistics.fmean(km <= NEAR_KM for km in distances),
        "within 200 km, %": 100 * statistics.fmean(km <= 200 for km in distances),
        "mean reward": statistics.fmean(value for value, _ in scored),
    }


def main() -> int:
    """Print the figures, and say whether the required ratio and accuracy were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--completions", type=int, default=4096)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        measure_child(options.child)
        return 0
    batches = draw_batches(options.completions, options.seed)
    speed = measure_speed(batches, options.runs)
    ours, naive = accuracy(score(batches[0], Resources())), accuracy(NaiveScan().score(batches[0]))
    characters = statistics.fmean(map(len, batches[0]["completions"]))
    print(f"{options.completions:,} completions of {characters:,.0f} characters on average\n")
    print("| geo_spatial | completions per second | times the naive scan |\n|---|---:|---:|")
    for way in ("cold", "fresh", "warm", "naive"):
        print(f"| {way} | {speed[way]:,.0f} | {speed[way] / speed['naive']:,.1f} |")
    print("\n| accuracy | geo_spatial | naive scan |\n|---|---:|---:|")
    for what, value in ours.items():
        print(f"| {what} | {value:.3f} | {naive[what]:.3f} |")
    ratio = speed["warm"] / speed["naive"]
    gain = ours["within 25 km, %"] - naive["within 25 km, %"]
    better = gain >= 0 and ours["median km"] <= naive["median km"]
    print(f"\n{HEADER}")
    print(line("warm / naive scan", ratio, ">= 100", ratio >= REQUIRED_RATIO))
    print(line("percentage points within 25 km, ours - naive scan", gain, ">= 0", better))
    return int(ratio < REQUIRED_RATIO or not better)


if __name__ == "__main__":
    sys.exit(main())
