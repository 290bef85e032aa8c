"""Configuration, paths, manifests, atomic writes, progress: the ground that every stage stands on."""

from geoseek.workspace.atomic import atomic_path, plain_os_errors, recover, transaction, write_text
from geoseek.workspace.fingerprint import file_fingerprint, installed_versions, stable_digest
from geoseek.workspace.manifest import MANIFEST_NAME, read_manifest, write_manifest
from geoseek.workspace.paths import (
    CONFIG_NAME,
    REFERENCE_FOLDERS,
    cache_dir,
    display_path,
    find_workspace,
    reference_root,
)
from geoseek.workspace.progress import progress_bar, set_quiet

__all__ = [
    "CONFIG_NAME",
    "MANIFEST_NAME",
    "REFERENCE_FOLDERS",
    "atomic_path",
    "cache_dir",
    "display_path",
    "file_fingerprint",
    "find_workspace",
    "installed_versions",
    "plain_os_errors",
    "progress_bar",
    "read_manifest",
    "recover",
    "reference_root",
    "set_quiet",
    "stable_digest",
    "transaction",
    "write_manifest",
    "write_text",
]
