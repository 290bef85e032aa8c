"""What comes with the data: card, Croissant metadata, citation, manifest."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from geoseek.pipelines.export.outputs import CARD_FILE, CITATION_FILE, CROISSANT_FILE
from geoseek.pipelines.validate.codes import ExportCheck
from geoseek.pipelines.validate.findings import Findings
from geoseek.schemas import Split
from geoseek.workspace import MANIFEST_NAME

_FRONT_MATTER = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_ACTIVE_MARKUP = re.compile(r"<\s*(?:script|iframe|object|embed|svg)\b|\bon\w+\s*=\s*[\"']|javascript:", re.IGNORECASE)
_CFF_KEYS = ("cff-version", "message", "title", "authors")
_LOCAL_PATH = re.compile(r"(?:/(?:home|Users|root|mnt|var|private)/|[A-Za-z]:\\)")
Rows = Mapping[Split, Mapping[str, int]]


def check_papers(folder: Path, rows: Rows, digests: Mapping[str, str], findings: Findings) -> None:
    """Check the files beside the data, those that are there.

    Args:
        folder: The dataset.
        rows: Split -> file -> its rows.
        digests: File -> SHA-256, as SHA256SUMS says.
        findings: Takes what is found.
    """
    for name, check, faults in (
        (CARD_FILE, ExportCheck.CARD, lambda text: card_faults(text, rows)),
        (CITATION_FILE, ExportCheck.CITATION, citation_faults),
        (CROISSANT_FILE, ExportCheck.CROISSANT, lambda text: croissant_faults(text, digests)),
        (MANIFEST_NAME, ExportCheck.MANIFEST, manifest_faults),
    ):
        text = _text(folder / name, check, findings)
        for fault in faults(text) if text is not None else ():
            findings.add(check, name, fault)
    if (folder / CROISSANT_FILE).is_file():
        _check_with_mlcroissant(folder / CROISSANT_FILE, findings)


def _text(path: Path, check: ExportCheck, findings: Findings) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        findings.add(check, path.name, f"cannot be read: {type(error).__name__}")
        return None


def card_faults(text: str, rows: Rows) -> Iterator[str]:
    """Yield what is wrong with a dataset card.

    Args:
        text: README.md.
        rows: Split -> file -> its rows.
    """
    front = _FRONT_MATTER.match(text)
    if front is None:
        yield "it does not begin with YAML between lines of ---"
        return
    try:
        card = yaml.safe_load(front[1])
    except yaml.YAMLError as error:
        yield f"its YAML is broken: {error}"
        return
    if not isinstance(card, dict):
        yield "its YAML holds no `key: value` pairs"
        return
    if not card.get("license"):
        yield "license is missing"
    configs = {entry.get("config_name"): entry for entry in _dicts(card.get("configs"))}
    infos = {entry.get("config_name"): entry for entry in _dicts(card.get("dataset_info"))}
    for split, files in rows.items():
        patterns = list(_patterns(configs.get(split.value, {}).get("data_files")))
        unread = [name for name in files if not any(fnmatchcase(name, pattern) for pattern in patterns)]
        if unread:
            yield f"configs: {split.value} does not read {unread[0]}"
        said = sum(part.get("num_examples") or 0 for part in _dicts(infos.get(split.value, {}).get("splits")))
        if said != sum(files.values()):
            yield f"dataset_info: {split.value} has {said} rows, the files have {sum(files.values())}"
    active = _ACTIVE_MARKUP.search(_CODE.sub("", text[front.end() :]))
    if active:
        yield f"active markup: {active[0]!r}"


def _dicts(value: Any) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, dict)]


def _patterns(data_files: Any) -> Iterator[str]:
    for entry in data_files if isinstance(data_files, list) else [data_files]:
        path = entry.get("path") if isinstance(entry, dict) else entry
        yield from path if isinstance(path, list) else [path] if path else ()


def citation_faults(text: str) -> Iterator[str]:
    """Yield what is wrong with a citation file (Citation File Format 1.2.0)."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield f"broken YAML: {error}"
        return
    if not isinstance(content, dict):
        yield "no `key: value` pairs"
        return
    yield from (f"{key} is missing" for key in _CFF_KEYS if not content.get(key))
    if content.get("type", "software") != "dataset":
        yield f"type is {content.get('type')!r}, expected 'dataset'"


def manifest_faults(text: str) -> Iterator[str]:
    """Yield what is wrong with a manifest."""
    try:
        content = json.loads(text)
    except ValueError as error:
        yield f"broken JSON: {error}"
        return
    if not isinstance(content, dict):
        yield "no object"
        return
    yield from (f"a path of a machine: {one!r}" for one in _strings(content) if _LOCAL_PATH.search(one))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def croissant_faults(text: str, digests: Mapping[str, str]) -> Iterator[str]:
    """Yield how Croissant metadata contradict the checksums."""
    try:
        content = json.loads(text)
    except ValueError as error:
        yield f"broken JSON: {error}"
        return
    distribution = content.get("distribution") if isinstance(content, dict) else None
    for entry in _dicts(distribution):
        name, said = entry.get("contentUrl"), entry.get("sha256")
        if not isinstance(name, str) or said is None or "://" in name:
            continue
        if name not in digests:
            yield f"{name} is not in the dataset"
        elif said != digests[name]:
            yield f"sha256 of {name} is {said}, expected {digests[name]}"


def _check_with_mlcroissant(path: Path, findings: Findings) -> None:
    """Let the official validator read the metadata, where it is installed; nothing is downloaded for that."""
    try:
        import mlcroissant
    except ImportError:
        findings.skip("croissant.json was not checked by the official validator: mlcroissant is not installed.")
        return
    # It says what it thinks on stdout, in the log and as warnings, besides raising it.
    with contextlib.redirect_stdout(io.StringIO()), _no_logging(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for problem in _mlcroissant_problems(mlcroissant, path):
            findings.add(ExportCheck.CROISSANT, path.name, problem)


def _mlcroissant_problems(mlcroissant: Any, path: Path) -> Iterable[str]:
    try:
        metadata = mlcroissant.Dataset(jsonld=path).metadata
    except Exception as error:  # noqa: BLE001 - it raises whatever the content leads it to
        return [f"{type(error).__name__}: {error}"]
    return sorted(metadata.ctx.issues.errors)


@contextlib.contextmanager
def _no_logging() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
