"""Write (or, with --check, compare) everything that is generated from the code: the CLI reference and the schemas."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from typer.main import get_command

from geoseek.cli.main import app
from geoseek.schemas import (
    Annotation,
    Candidate,
    CotRecord,
    CuratedChain,
    CurateReject,
    CurateRejectReason,
    ExportReject,
    ExportRejectReason,
    ImagePair,
    ImageRecord,
    ImageReject,
    ImageRejectReason,
    LocRecord,
    Member,
    Prediction,
    Reject,
    RejectReason,
    Sample,
    SceneTag,
    TaggedSample,
    TagReject,
    TagRejectReason,
    ValRecord,
    arrow_schema,
    json_schema,
)
from geoseek.workspace import WorkspaceConfig

ROOT = Path(__file__).resolve().parents[1]
RECORDS: tuple[type[BaseModel], ...] = (
    Candidate,
    Sample,
    Reject,
    ImageRecord,
    Member,
    ImageReject,
    ImagePair,
    Annotation,
    CuratedChain,
    CurateReject,
    TaggedSample,
    TagReject,
    CotRecord,
    LocRecord,
    ValRecord,
    ExportReject,
    Prediction,
)
VOCABULARIES = {
    "Reject reasons": RejectReason,
    "Image reject reasons": ImageRejectReason,
    "Scene tags": SceneTag,
    "Curate reject reasons": CurateRejectReason,
    "Tag reject reasons": TagRejectReason,
    "Export reject reasons": ExportRejectReason,
}


def generated() -> dict[Path, str]:
    """Return every generated file with its content."""
    files = {
        ROOT / "schemas" / f"{model.__name__.lower()}.schema.json": json.dumps(json_schema(model), indent=2) + "\n"
        for model in RECORDS
    }
    files[ROOT / "docs" / "cli.md"] = cli_reference()
    files[ROOT / "docs" / "records.md"] = record_tables()
    files[ROOT / "docs" / "configuration.md"] = configuration_tables()
    return files


def cli_reference() -> str:
    """Render the reference of all verbs from their own help."""
    group: Any = get_command(app)
    lines = ["# Command line", "", "Generated from the code by `make docs`; `geoseek VERB --help` says the same.", ""]
    for name, command in sorted(group.commands.items()):
        lines += _command_section(f"geoseek {name}", command, level=2)
    return "\n".join(lines)


def _command_section(path: str, command: Any, *, level: int) -> list[str]:
    context = typer.Context(command, info_name=path)
    usage = ["```", command.get_usage(context), "```", ""]
    lines = [f"{'#' * level} {path}", "", *_paragraphs(command.help or ""), "", *usage]
    rows = [parameter for parameter in command.params if parameter.name != "help"]
    if rows:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [
            f"| {_option(parameter, context)} | {_cell(getattr(parameter, 'help', '') or '')} |" for parameter in rows
        ]
        lines.append("")
    for name, inner in getattr(command, "commands", {}).items():
        lines += _command_section(f"{path} {name}", inner, level=level + 1)
    return lines


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for line in text.splitlines():
        command = line.strip()
        if command.startswith("geoseek "):
            lines.append(f"    {command}")
        else:
            lines.append(command)
    return lines


def _option(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return f"`{_cell(parameter.get_help_record(context)[0])}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def record_tables() -> str:
    """Render the records and the reject codes."""
    lines = ["# Records", "", "Generated from `geoseek/schemas` by `make docs`.", ""]
    for model in RECORDS:
        lines += [f"## {model.__name__}", "", *(model.__doc__ or "").strip().splitlines()[:1], ""]
        lines += ["| column | type | null | meaning |", "|---|---|---|---|"]
        for field in arrow_schema(model):
            meaning = field.metadata[b"description"].decode() if field.metadata else ""
            lines.append(f"| `{field.name}` | {field.type} | {'yes' if field.nullable else ''} | {_cell(meaning)} |")
        lines.append("")
    for title, vocabulary in VOCABULARIES.items():
        lines += [f"## {title}", "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code.value}` | {code.description} |" for code in vocabulary]
        lines.append("")
    return "\n".join(lines)


def configuration_tables() -> str:
    """Render the keys of geoseek.yaml and of design files."""
    lines = [
        "# Configuration",
        "",
        "Generated from `geoseek/workspace/config.py` by `make docs`. `geoseek.yaml` makes a folder a workspace; a",
        "design file under `sampling/` holds keys of the section `sample`. Options of the command line override both.",
        "",
    ]
    for title, model in (("geoseek.yaml", WorkspaceConfig), *_sections()):
        lines += [f"## {title}", "", "| key | default | meaning |", "|---|---|---|"]
        for name, info in model.model_fields.items():
            default = "" if isinstance(info.default, BaseModel) else f"`{_default(info.default)}`"
            lines.append(f"| `{name}` | {default} | {_cell(info.description or '')} |")
        lines.append("")
    return "\n".join(lines)


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, info in WorkspaceConfig.model_fields.items():
        if isinstance(info.default, BaseModel):
            yield f"{name} (and design files)" if name == "sample" else name, type(info.default)


def _default(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps({str(key): item for key, item in value.items()})
    return json.dumps(list(value)) if isinstance(value, tuple) else json.dumps(value)


def main() -> int:
    """Write all generated files, or report the stale ones."""
    wanted = generated()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"stale: {path.relative_to(ROOT)}; run `make docs`")
        return 1 if stale else 0
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(stale)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
