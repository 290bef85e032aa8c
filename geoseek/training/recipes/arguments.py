"""The arguments that the installed ms-swift knows, read from its source so that nothing heavy is imported."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from geoseek.schemas import UsageError, unknown_name

_CLASSES = {"sft": ("swift", "SftArguments"), "grpo": ("swift", "RLHFArguments")}
_SOURCES = {
    "swift": ("arguments", "ray_utils/arguments.py", "rlhf_trainers/args_mixin.py", "trainers/arguments.py"),
    "transformers": ("training_args.py", "training_args_seq2seq.py"),
}
_KINDS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "dict": (dict,),
    "Dict": (dict,),
    "list": (list,),
    "List": (list,),
}


@dataclass(frozen=True)
class SwiftArgument:
    """What is known of an argument.

    Attributes:
        types: Types that it takes; empty where anything may be right.
        choices: Words that it takes; empty where there is no list of them.
    """

    types: tuple[type, ...] = ()
    choices: tuple[str, ...] = ()

    def takes(self, value: Any) -> bool:
        """Return whether a value may be right.

        >>> SwiftArgument(types=(int,)).takes(3), SwiftArgument(types=(int,)).takes("three")
        (True, False)
        >>> SwiftArgument(types=(str,), choices=("left", "delete")).takes("right")
        False
        """
        if self.choices:
            return str(value) in self.choices
        if not self.types or isinstance(value, list):
            return not self.types or list in self.types
        if isinstance(value, bool):
            return bool in self.types or self.types == (str,)
        return list in self.types or isinstance(value, self.types) or str in self.types

    def describe(self) -> str:
        """Return what it takes, for people."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        names = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list"}
        return " or ".join(
            names.get(kind, kind.__name__) for kind in self.types if not (kind is int and float in self.types)
        )


def swift_version() -> str | None:
    """Return the version of the installed ms-swift; None if there is none."""
    try:
        return metadata.version("ms-swift")
    except metadata.PackageNotFoundError:
        return None


def swift_arguments(method: str) -> Mapping[str, SwiftArgument] | None:
    """Return the arguments of `swift sft` or of `swift rlhf --rlhf_type grpo`; None if they cannot be known.

    That is so if ms-swift is not installed, or of a release whose source is arranged in another way.

    They are read from the source text of ms-swift and transformers in about a fifth of a second, once per process;
    importing them would take half a minute.

    Args:
        method: `sft` or `grpo`.
    """
    version = swift_version()
    return None if version is None else _read_arguments(method, version) or None


def check_arguments(method: str, given: Mapping[str, Any], where: str) -> None:
    """Check names and values against the installed ms-swift, if its arguments are known.

    Raises:
        UsageError: An unknown name, with the nearest one, or a value of another type.
    """
    known = swift_arguments(method)
    if known is None:
        return
    for name, value in given.items():
        if name not in known:
            error = unknown_name(f"argument of ms-swift {swift_version()} in {where}:", name, known)
            raise UsageError(error.message, hint="`swift sft --help` and `swift rlhf --help` list them.")
        if not known[name].takes(value):
            raise UsageError(f"{where}.{name} is {value!r}.", hint=f"ms-swift takes {known[name].describe()}.")


@functools.cache
def _read_arguments(method: str, version: str) -> Mapping[str, SwiftArgument]:  # noqa: ARG001 - part of the cache key
    classes = {(package, node.name): (node, names) for package, node, names in _class_definitions()}
    try:
        return dict(_fields(_CLASSES[method], classes))
    except KeyError:  # a release that keeps its classes elsewhere: better unchecked than wrongly refused
        return {}


def _class_definitions() -> Iterator[tuple[str, ast.ClassDef, dict[str, tuple[str, str]]]]:
    """Yield the classes of the sources, each with what the names of its bases stand for in its file."""
    for package, parts in _SOURCES.items():
        spec = util.find_spec(package)
        root = Path(spec.origin).parent if spec is not None and spec.origin else None
        if root is None:
            continue
        for path in (file for part in parts for file in _python_files(root / part)):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = _imported_names(tree, package)
            local = [node for node in tree.body if isinstance(node, ast.ClassDef)]
            names |= {node.name: (package, node.name) for node in local}
            for node in local:
                yield package, node, names


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []


def _imported_names(tree: ast.Module, package: str) -> dict[str, tuple[str, str]]:
    """Return local name -> (package, name there) of what a file imports from modules."""
    return {
        alias.asname or alias.name: (
            package if node.level or not node.module else node.module.split(".")[0],
            alias.name,
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _fields(
    key: tuple[str, str], classes: Mapping[tuple[str, str], tuple[ast.ClassDef, dict[str, tuple[str, str]]]]
) -> Iterator[tuple[str, SwiftArgument]]:
    """Yield the fields of a dataclass: those of its bases first, the leftmost base last, so that later ones hold.

    Raises:
        KeyError: A base is not among the classes.
    """
    node, names = classes[key]
    for base in reversed(node.bases):
        if isinstance(base, ast.Name) and base.id in names:
            yield from _fields(names[base.id], classes)
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            yield line.target.id, _argument(line.annotation)


def _argument(annotation: ast.expr) -> SwiftArgument:
    types: list[type] = []
    choices: list[str] = []
    for part in _alternatives(annotation):
        if isinstance(part, ast.Constant) and part.value is None:
            continue
        outer = part.value if isinstance(part, ast.Subscript) else part
        name = outer.id if isinstance(outer, ast.Name) else ""
        if isinstance(part, ast.Subscript) and name == "Literal":
            choices += [str(word.value) for word in _elements(part) if isinstance(word, ast.Constant) and word.value]
        elif name in _KINDS:
            types += _KINDS[name]
        else:
            return SwiftArgument()
    if types and choices:
        return SwiftArgument()
    return SwiftArgument(types=tuple(dict.fromkeys(types)), choices=tuple(choices))


def _alternatives(annotation: ast.expr) -> Iterator[ast.expr]:
    """Yield A, B and C of `A | B | C`, `Union[A, B, C]` and `Optional[A]`."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        parts = [annotation.left, annotation.right]
    elif (
        isinstance(annotation, ast.Subscript)
        and isinstance(annotation.value, ast.Name)
        and annotation.value.id in {"Union", "Optional"}
    ):
        parts = _elements(annotation)
    else:
        yield annotation
        return
    for part in parts:
        yield from _alternatives(part)


def _elements(subscript: ast.Subscript) -> list[ast.expr]:
    """Return A and B of `Name[A, B]`."""
    return subscript.slice.elts if isinstance(subscript.slice, ast.Tuple) else [subscript.slice]
