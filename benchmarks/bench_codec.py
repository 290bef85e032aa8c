"""Parsing chains: `parse_chain` against `json.loads` of the same text.

    python benchmarks/bench_codec.py                     # 2,000 chains; a few seconds

The texts are rendered by us (clean input) and have the size of real ones: three stages, three to five clues each, and
two to four sentences of reasoning, a quarter of them in Chinese. Both sides go through the same texts in blocks, in
turn; the median over the blocks of the ratio of processor times counts, so that the noise of the machine meets both.
Texts in need of repair are shown for comparison: nothing is required of them.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable

from measure import HEADER, line

from geoseek.schemas import ChainOfThought, Stage, Uncertainty
from geoseek.schemas.codec import parse_chain, render_json, render_tagged

REQUIRED_RATIO = 3.0
_BLOCK = 100
_CLUES = (
    (
        "yellow plates at the rear of two cars",
        "bollards with a red reflector",
        "a shop sign in Cyrillic",
        "left-hand traffic",
    ),
    ("蓝底白字的路牌", "路边的杨树和灰色砖房", "车辆靠右行驶", "汉字招牌"),
)
_SENTENCES = (
    (
        "The script and the plates together leave only a few countries, and the bollards are used in one of them. ",
        "Vegetation and the colour of the soil fit the dry interior rather than the coast. ",
        "The road is narrow, without a shoulder, and the houses stand close to it, as in villages of this area. ",
    ),
    (
        "文字和车牌把范围缩小到少数几个国家，而护栏的样式只在其中一个国家使用。",
        "植被和土壤的颜色更符合干燥的内陆地区，而不是沿海。",
        "道路狭窄，没有路肩，房屋紧靠道路，这在该地区的村庄很常见。",
    ),
)
_ANSWERS = ("Bulgaria; Plovdiv; Asenovgrad", "中国；甘肃省；张掖市")


def make_chain(dice: random.Random) -> ChainOfThought:
    """Return a chain of the size that annotators and models write."""
    language = int(dice.random() < 0.25)
    answer = _ANSWERS[language]

    def stage(conclusion: str) -> Stage:
        return Stage(
            clues=tuple(dice.choices(_CLUES[language], k=dice.randint(3, 5))),
            reasoning="".join(dice.choices(_SENTENCES[language], k=dice.randint(2, 4))),
            conclusion=conclusion,
            uncertainty=dice.choice(list(Uncertainty)),
        )

    country, region, precise = (stage(part.strip()) for part in answer.replace("；", ";").split(";"))
    return ChainOfThought(country=country, region=region, precise=precise, final_answer=answer)


def ratio(parse: Callable[[str], object], texts: list[str], plain: list[str]) -> float:
    """Return the median over blocks of the time of `parse` on `texts` by that of `json.loads` on `plain`."""
    ratios = []
    for first in range(0, len(texts), _BLOCK):
        start = time.process_time()
        for text in plain[first : first + _BLOCK]:
            json.loads(text)
        between = time.process_time()
        for text in texts[first : first + _BLOCK]:
            parse(text)
        ratios.append((time.process_time() - between) / (between - start))
    return statistics.median(ratios)


def main() -> int:
    """Print the ratios, and say whether the required one was reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)  # noqa: S311
    chains = [make_chain(dice) for _ in range(options.chains)]
    plain = [render_json(chain) for chain in chains] * options.rounds
    tagged = [render_tagged(chain) for chain in chains] * options.rounds
    fenced = [f"Here it is:\n```json\n{text}\n```" for text in plain]
    broken = [text.replace('"}', '",}') for text in plain]
    characters = statistics.mean(map(len, plain))
    clean = ratio(parse_chain, plain, plain)
    print(f"{options.chains:,} chains of {characters:,.0f} characters on average\n\n{HEADER}")
    print(line("parse_chain, JSON in our form / json.loads", clean, "<= 3", clean <= REQUIRED_RATIO))
    in_tags = ratio(parse_chain, tagged, plain)
    print(line("parse_chain, tagged form / json.loads of its JSON", in_tags, "<= 3", in_tags <= REQUIRED_RATIO))
    print(line("parse_chain, fence and text around / json.loads", ratio(parse_chain, fenced, plain), "-", good=True))
    print(line("parse_chain, trailing commas / json.loads without", ratio(parse_chain, broken, plain), "-", good=True))
    return int(max(clean, in_tags) > REQUIRED_RATIO)


if __name__ == "__main__":
    sys.exit(main())
