"""Reads commands with ms-swift's own parser and prints what it makes of them. Run in a process of its own.

Standard input: `[[method, [word, ...]], ...]`. Standard output: `{"fields": {method: [name, ...]}, "read": [{"unknown":
[word, ...], "values": {name: value}}, ...]}`. Nothing is loaded: `__post_init__` of the arguments is left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from typing import Any


def main() -> None:
    """Read commands and print what was understood."""
    with contextlib.redirect_stdout(sys.stderr):
        from swift.arguments import RLHFArguments, SftArguments
        from swift.utils import parse_args

        classes = {"sft": SftArguments, "grpo": RLHFArguments}
        for kind in classes.values():
            kind.__post_init__ = lambda _: None
        read = [_read(parse_args, classes[method], words) for method, words in json.load(sys.stdin)]
    fields = {name: sorted(field.name for field in dataclasses.fields(kind)) for name, kind in classes.items()}
    sys.stdout.write(json.dumps({"fields": fields, "read": read}))


def _read(parse_args: Any, kind: Any, words: list[str]) -> dict[str, Any]:
    parsed, unknown = parse_args(kind, words)
    values = {field.name: getattr(parsed, field.name, None) for field in dataclasses.fields(kind)}
    plain = {name: value for name, value in values.items() if isinstance(value, bool | int | float | str | list)}
    return {"unknown": unknown, "values": json.loads(json.dumps(plain, default=str))}


if __name__ == "__main__":
    main()
