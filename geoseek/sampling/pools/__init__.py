"""Pools: whatever offers geotagged photos, read as one stream of cleaned candidates.

`parse_pool` reads what `--pool` says, `open_pool` finds the files, their format and their columns, and the `Pool` that
it returns is read twice: `Pool.scan` streams id and position of everything, `Pool.take` fetches the other fields of
the few rows that were drawn.

A format is one small file. To add one:

1. Write a subclass of `Reader` (in `base`) in a module of its own: a dataclass with `format` (its name) and `suffixes`
   (endings of file names, lower case). It must pickle, so it holds paths and numbers, never an open file.
2. `open(path, options)` looks at the beginning of one file and fails in plain words (`InputError` with a hint) if it
   is empty, truncated or something else. It fills `columns` with the names and, where they are known, the Arrow types.
   If the format itself says where the position is, it sets `geometry` and `crs`.
3. `read(columns, start, stop)` yields `RawBatch`es: row numbers, one Arrow array per column asked for, and a
   `RowProblem` for each row that cannot be read. Nothing is converted or checked here.
4. If a file can be entered in the middle, `parts` says where, and `spans` which ranges hold given rows.
5. Add the class to `TABLE_FORMATS` in `discovery`.

Recognising columns, converting values, checking coordinates, making ids and writing rejects is done once, for all
formats, by `Pool`.
"""

from geoseek.sampling.pools.base import (
    Fragment,
    PoolBatch,
    RawBatch,
    Reader,
    ReadOptions,
    RowProblem,
)
from geoseek.sampling.pools.columns import COLUMN_NAMES, MAPPABLE
from geoseek.sampling.pools.discovery import TABLE_FORMATS, open_pool
from geoseek.sampling.pools.pool import FIELDS, Pool
from geoseek.sampling.pools.spec import GEONAMES, PoolSpec, parse_pool

__all__ = [
    "COLUMN_NAMES",
    "FIELDS",
    "GEONAMES",
    "MAPPABLE",
    "TABLE_FORMATS",
    "Fragment",
    "Pool",
    "PoolBatch",
    "PoolSpec",
    "RawBatch",
    "ReadOptions",
    "Reader",
    "RowProblem",
    "open_pool",
    "parse_pool",
]
