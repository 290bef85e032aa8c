"""Files of predictions: JSON lines of `geoseek infer`, and CSV of any other model; aligned with the truth."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from geoseek.geo import Gazetteer
from geoseek.schemas import ChainOfThought, InputError, Prediction
from geoseek.training.evaluate.delimited import SUFFIXES, iter_lines, number, read_header
from geoseek.training.evaluate.result import EvaluateReject, EvaluateRejectReason, Outcome
from geoseek.training.evaluate.tables import OUTCOME_CODES, PredictionSet, TruthTable
from geoseek.training.evaluate.truth import on_globe
from geoseek.training.predictions import prediction_of

JSON_SUFFIXES = (".jsonl", ".ndjson")
COORDINATES = "coordinates"
"""Level of an answer whose coordinates stand in the file."""

_DETAIL_CHARS = 200


class _Said(NamedTuple):
    """What a row says, as far as it counts; lighter than a `Prediction`, as there may be a million of them."""

    answer: str | None = None
    lat: float | None = None
    lng: float | None = None
    level: str = ""
    chain: ChainOfThought | None = None
    error: str | None = None

    @classmethod
    def of(cls, prediction: Prediction) -> _Said:
        return cls(*(getattr(prediction, name) for name in cls._fields))


def is_delimited(path: Path, *, where: str) -> bool:
    """Whether a file of predictions is CSV; otherwise it is JSON lines.

    Raises:
        InputError: It is not there, or of neither kind.
    """
    if not path.is_file():
        raise InputError(f"There is no file {where}.", hint="`geoseek infer` writes files of predictions.")
    if path.suffix.casefold() in SUFFIXES:
        return True
    if path.suffix.casefold() in JSON_SUFFIXES:
        return False
    known = ", ".join((*JSON_SUFFIXES, *SUFFIXES))
    raise InputError(f"{where} is none of {known}.", hint="docs/evaluating.md tells which files can be scored.")


def read_predictions(path: Path, truth: TruthTable, *, where: str, gazetteer: Gazetteer) -> PredictionSet:
    """Read a file of predictions; every row of it is counted or rejected with a reason.

    Of several rows with one id the first counts. A position that is not finite or off the globe is none: the row is
    unlocatable.

    Args:
        path: The file.
        truth: What its rows are aligned with.
        where: Name that the file is shown by.
        gazetteer: Finds answers that have no coordinates.

    Raises:
        InputError: The file cannot be read, lacks columns, or has no row that the truth knows.
    """
    gathered = _Gathered(truth, where)
    if is_delimited(path, where=where):
        _read_delimited(path, gathered, gazetteer)
    else:
        _read_json_lines(path, gathered)
    return gathered.result()


class _Gathered:
    """The rows of a file, put where they belong."""

    def __init__(self, truth: TruthTable, where: str) -> None:
        rows = len(truth)
        self.where = where
        self.truth = truth
        self.outcome = np.full(rows, OUTCOME_CODES[Outcome.MISSING], dtype=np.int8)
        self.lat, self.lng = np.full(rows, np.nan), np.full(rows, np.nan)
        self.answers: list[str | None] = [None] * rows
        self.levels = [""] * rows
        self.chains: dict[int, ChainOfThought] = {}
        self.models: set[str] = set()
        self.notices: list[str] = []
        self.rejects: list[EvaluateReject] = []
        self.read = 0
        self._bad_positions: list[int] = []

    def reject(self, line: int, key: str | None, reason: EvaluateRejectReason, detail: str | None = None) -> None:
        self.rejects.append(EvaluateReject(self.where, line, key, reason, detail and detail[:_DETAIL_CHARS]))

    def row_of(self, line: int, key: str) -> int | None:
        """Return the row that an id belongs to; a row of the file that belongs nowhere is rejected."""
        row = self.truth.row_of.get(key)
        if not key:
            self.reject(line, None, EvaluateRejectReason.MISSING_ID)
        elif row is None:
            self.reject(line, key, EvaluateRejectReason.NOT_IN_TRUTH)
        elif self.outcome[row] != OUTCOME_CODES[Outcome.MISSING]:
            self.reject(line, key, EvaluateRejectReason.DUPLICATE_ID)
        else:
            return row
        return None

    def put(self, row: int, line: int, said: _Said) -> None:
        """Note what a row says."""
        answer = said.answer if said.answer and said.answer.strip() else None
        placed = said.lat is not None and said.lng is not None
        if said.lat is not None and said.lng is not None and on_globe(said.lat, said.lng):
            self.lat[row], self.lng[row] = said.lat, said.lng
            outcome = Outcome.LOCATED
        elif said.error is not None:
            outcome = Outcome.ERROR
        else:
            outcome = Outcome.UNPARSABLE if answer is None and not placed else Outcome.UNLOCATABLE
            if placed:
                self._bad_positions.append(line)
        self.outcome[row] = OUTCOME_CODES[outcome]
        self.answers[row] = answer
        self.levels[row] = said.level if outcome is Outcome.LOCATED else ""
        if said.chain is not None and row in self.truth.chains:
            self.chains[row] = said.chain

    def result(self) -> PredictionSet:
        if self.read == len(self.rejects):
            raise self._nothing_counts()
        if self._bad_positions:
            self.notices.append(
                f"{len(self._bad_positions):,} rows have a position that is no number or off the globe; they count as "
                f"unlocatable (the first: line {self._bad_positions[0]})"
            )
        found = PredictionSet(
            self.where,
            self.where,
            self.outcome,
            self.lat,
            self.lng,
            self.answers,
            self.levels,
            self.chains,
            self.read,
            self.rejects,
            tuple(sorted(self.models)),
            tuple(self.notices),
        )
        if found.counted + len(found.rejects) != found.read:
            raise RuntimeError("The rows do not add up: read = counted + rejected does not hold.")
        return found

    def _nothing_counts(self) -> InputError:
        if not self.read:
            return InputError(f"{self.where} has no rows.", hint="Run `geoseek infer` again, or give another file.")
        first = self.rejects[0]
        example = f" The truth has ids such as {self.truth.ids[0]!r}." if len(self.truth) else ""
        name = f" ({first.id!r})" if first.id else ""
        return InputError(
            f"None of the {self.read:,} rows of {self.where} can be counted. The first, on line {first.line}{name}: "
            f"{first.reason.description}{f' ({first.detail})' if first.detail else ''}.",
            hint=f"Ids must be those of {self.truth.name}.{example}",
        )


def _read_json_lines(path: Path, gathered: _Gathered) -> None:
    try:
        with path.open("rb") as file:
            for line, raw in enumerate(file, start=1):
                if raw.strip():
                    gathered.read += 1
                    _read_json_line(line, raw, gathered)
    except OSError as error:
        raise InputError(f"Cannot read {gathered.where}: {error.strerror}.") from error


def _read_json_line(line: int, raw: bytes, gathered: _Gathered) -> None:
    try:
        prediction = Prediction.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        detail = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
        gathered.reject(line, None, EvaluateRejectReason.MALFORMED_ROW, detail)
        return
    row = gathered.row_of(line, prediction.id)
    if row is not None:
        gathered.put(row, line, _Said.of(prediction))
        gathered.models.add(prediction.model)


def _read_delimited(path: Path, gathered: _Gathered, gazetteer: Gazetteer) -> None:
    roles = read_header(path, where=gathered.where)
    gathered.notices.extend(roles.notices)
    for line in iter_lines(path, roles, where=gathered.where):
        gathered.read += 1
        if line.cells is None:
            gathered.reject(line.number, None, EvaluateRejectReason.MALFORMED_ROW, line.problem)
            continue
        cells = line.cells
        row = gathered.row_of(line.number, cells[roles.column["id"]].strip())
        if row is not None:
            fields = {name: cells[at].strip() for name, at in roles.column.items()}
            gathered.put(row, line.number, _said(fields, gazetteer))


def _said(fields: dict[str, str], gazetteer: Gazetteer) -> _Said:
    """Return what a row of cells says; given coordinates come before those of the answer."""
    text, answer = fields.get("text", ""), fields.get("answer", "")
    said = _Said.of(prediction_of(fields["id"], text, model="", gazetteer=gazetteer)) if text else _Said()
    if answer and answer != said.answer:
        place = gazetteer.locate(answer)
        said = said._replace(answer=answer, lat=place.lat, lng=place.lng, level=place.level.value)
    if fields.get("lat") or fields.get("lng"):
        return said._replace(lat=number(fields["lat"]), lng=number(fields["lng"]), level=COORDINATES)
    return said
