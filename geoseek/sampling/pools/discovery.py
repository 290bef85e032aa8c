"""From a `--pool` to an opened pool: which files, which format, which columns."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from geoseek.sampling.pools.base import Reader, ReadOptions
from geoseek.sampling.pools.columns import Roles, assign_roles, check_fields, is_coarse
from geoseek.sampling.pools.delimited import DelimitedReader
from geoseek.sampling.pools.geojson import GeoJsonReader
from geoseek.sampling.pools.geonames import GeoNamesReader, builtin_version
from geoseek.sampling.pools.geopackage import GeoPackageReader
from geoseek.sampling.pools.jsonlines import JsonLinesReader
from geoseek.sampling.pools.parquet import ParquetReader
from geoseek.sampling.pools.photos import PhotoFolderReader, list_files
from geoseek.sampling.pools.pool import Pool, PoolFile
from geoseek.sampling.pools.spec import GEONAMES, PoolSpec
from geoseek.sampling.pools.text import Utf8Stream, check_encoding_name
from geoseek.schemas import InputError

TABLE_FORMATS: tuple[type[Reader], ...] = (
    ParquetReader,
    GeoPackageReader,
    GeoJsonReader,
    DelimitedReader,
    JsonLinesReader,
)
"""The formats of single files, in the order in which a folder is searched for them. A new format is added here."""

_JSON = ".json"
_ARROW_DATASET_MARK = "state.json"
_NOT_DATA = ("readme.txt", "license.txt", "licence.txt", "dataset_info.json", "dataset_infos.json", "state.json")
_LISTED = 5


def open_pool(spec: PoolSpec, *, columns: Mapping[str, str] | None = None, encoding: str = "utf-8") -> Pool:
    """Open a pool: find its files and their format, look into each of them, recognise the columns.

    Args:
        spec: What was asked for.
        columns: Field to column name, for files whose columns are not recognised, or wrongly.
        encoding: Character encoding of text files.

    Raises:
        UsageError: An unknown field in `columns`, or an unknown encoding.
        InputError: The path does not exist, or holds no file that can be used; a file is empty, has a header only, is
            truncated, of another encoding, or has no columns with coordinates. The message names the file.
    """
    explicit = dict(columns or {})
    check_fields(explicit)
    options = ReadOptions(check_encoding_name(encoding), tuple(explicit.values()))
    if spec.path == GEONAMES:
        reader: Reader = GeoNamesReader.open(Path(GEONAMES), options)
        only = PoolFile(reader, assign_roles(reader.columns, {}, where=GEONAMES), GEONAMES)
        return Pool(spec.name, [only], builtin_version=builtin_version())
    found, remarks = _find_readers(spec.path, options)
    files = [PoolFile(reader, _roles(reader, explicit), name) for reader, name in found]
    if all(reader.rows == 0 for reader, _ in found):
        files_word = str(found[0][0].path) if len(found) == 1 else f"{spec.path} ({len(found)} files)"
        raise InputError(f"{files_word} has column names but no rows.", hint="A pool needs at least one photo.")
    return Pool(spec.name, files, notices=[*remarks, *_notices(files)])


def _roles(reader: Reader, explicit: Mapping[str, str]) -> Roles:
    where = str(reader.path)
    roles = assign_roles(reader.columns, explicit, where=where, declared_geometry=reader.geometry)
    if roles.get("image") is None and reader.embedded:
        return Roles({**roles.column, "image": min(reader.embedded)}, roles.notices)
    return roles


def _notices(files: Sequence[PoolFile]) -> list[str]:
    """Collect the remarks about all files; what holds for many files is said once."""
    notices: dict[str, None] = {}
    for file in files:
        for notice in (*file.reader.notices, *file.roles.notices):
            notices[notice] = None
        if file.reader.rows == 0:
            notices[f"{file.name} has no rows"] = None
        if any(is_coarse(file.reader.columns.get(file.roles.get(field) or "")) for field in ("lat", "lng")):
            notices["coordinates are 32-bit floats (steps of up to 0.8 m); they are read as 64-bit"] = None
        renamed = [f"{field}={name}" for field, name in file.roles.column.items() if field != name]
        if renamed and not isinstance(file.reader, PhotoFolderReader):
            notices[f"columns recognised: {', '.join(renamed)}"] = None
        if file.roles.get("id") is None:
            notices["no column with ids: ids are made from position and image"] = None
    return list(notices)


def _find_readers(given: str, options: ReadOptions) -> tuple[list[tuple[Reader, str]], list[str]]:
    """Return a reader and a display name for each file, and remarks."""
    if "://" in given:
        raise InputError(f"{given} is an address on the network.", hint="Download the file, and name its path.")
    path = Path(given).expanduser()
    if path.is_dir():
        return _open_folder(path, options)
    if path.exists():
        return [(_format_of(path).open(path, options), path.name)], []
    if glob.has_magic(given):
        return _open_glob(str(path), options), []
    hint = "Check the spelling; a relative path starts at the current folder."
    if re.search(r":[^/\\]*$", given):
        hint += " A share is written PATH:0.625."
    raise InputError(f"{given} does not exist.", hint=hint)


def _open_glob(pattern: str, options: ReadOptions) -> list[tuple[Reader, str]]:
    # Path.glob takes no absolute pattern.
    matches = [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207
    paths = sorted((path for path in matches if path.is_file()), key=lambda path: path.as_posix())
    if not paths:
        raise InputError(f"No file matches {pattern}.", hint="Put the pattern in quotes, so that the shell leaves it.")
    formats = [_format_of(path) for path in paths]
    for path, kind in zip(paths, formats, strict=True):
        if kind is not formats[0]:
            raise InputError(
                f"{pattern} matches several formats: {paths[0]} ({formats[0].format}), {path} ({kind.format}).",
                hint="Give each format a pool of its own.",
            )
    fixed = Path(re.split(r"[^/\\]*[*?\[]", pattern, maxsplit=1)[0] or ".")
    return [(formats[0].open(path, options), path.relative_to(fixed).as_posix()) for path in paths]


def _open_folder(folder: Path, options: ReadOptions) -> tuple[list[tuple[Reader, str]], list[str]]:
    """Read all files of the first format of `TABLE_FORMATS` that is there; photos only if there are no tables."""
    photos = list_files(folder, PhotoFolderReader.suffixes)[0]
    for kind in TABLE_FORMATS:
        suffixes = (*kind.suffixes, _JSON) if kind is GeoJsonReader else kind.suffixes
        names = [name for name in list_files(folder, suffixes)[0] if _is_data(folder / name, kind)]
        if names:
            readers = [(kind.open(folder / name, options), name) for name in names]
            remarks = [f"{len(photos)} photo files beside the tables are not read"] if photos else []
            return list(readers), remarks
    if photos:
        return [(PhotoFolderReader.open(folder, options), folder.resolve().name)], []
    if (folder / _ARROW_DATASET_MARK).exists():
        raise InputError(
            f"{folder} is a Hugging Face dataset in Arrow files.",
            hint="Write it as Parquet: datasets.load_from_disk(FOLDER).to_parquet(FILE), and name that file.",
        )
    entries = sorted(entry.name for entry in folder.iterdir())
    what = ", ".join(entries[:_LISTED]) + (" ..." if len(entries) > _LISTED else "") if entries else "nothing"
    raise InputError(f"{folder} holds no file that can be a pool (it holds {what}).", hint=_known_endings())


def _is_data(path: Path, kind: type[Reader]) -> bool:
    """Tell tables from the texts and descriptions that lie beside them."""
    if path.name.lower() in _NOT_DATA:
        return False
    return path.suffix.lower() != _JSON or _json_format(path) is kind


def _format_of(path: Path) -> type[Reader]:
    name = path.name.lower()
    if name.endswith(_JSON) and (kind := _json_format(path)):
        return kind
    for kind in TABLE_FORMATS:
        if name.endswith(kind.suffixes):
            return kind
    if name.endswith(PhotoFolderReader.suffixes):
        raise InputError(f"{path} is a single photo.", hint="Name the folder that holds the photos.")
    raise InputError(f"{path} is of no format that can be a pool.", hint=_known_endings())


def _json_format(path: Path) -> type[Reader] | None:
    """Tell GeoJSON from JSON Lines by the beginning of a file; None if it is neither."""
    with Utf8Stream(path, "utf-8") as stream:
        head = stream.read(1 << 16).decode("utf-8", "ignore").lstrip()
    if not head.startswith("{"):
        return None
    if re.search(r'"type"\s*:\s*"(FeatureCollection|Feature)"', head):
        return GeoJsonReader
    try:
        json.loads(head.partition("\n")[0])
    except ValueError:
        return None
    return JsonLinesReader


def _known_endings() -> str:
    endings = [suffix for kind in TABLE_FORMATS for suffix in kind.suffixes]
    return f"Known: {', '.join(endings)}, {_JSON} (GeoJSON or JSON Lines), a folder of photos, geonames."
