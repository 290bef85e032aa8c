"""Configuration, paths, manifests, atomic writes, progress: the ground that every stage stands on."""

from geoseek.workspace.atomic import atomic_path, exclusive, plain_os_errors, recover, transaction, write_text
from geoseek.workspace.config import (
    DEFAULT_SIZES,
    AnnotateSettings,
    CurateSettings,
    ExportSettings,
    SampleSettings,
    Settings,
    TagSettings,
    TrainSettings,
    WorkspaceConfig,
    load_config,
    read_yaml,
    validate_settings,
)
from geoseek.workspace.fingerprint import file_fingerprint, installed_versions, stable_digest
from geoseek.workspace.manifest import (
    MANIFEST_NAME,
    RUN_LOG_NAME,
    read_manifest,
    read_run_log,
    write_manifest,
    write_run_log,
)
from geoseek.workspace.paths import (
    CONFIG_NAME,
    REFERENCE_FOLDERS,
    cache_dir,
    display_path,
    find_workspace,
    reference_root,
)
from geoseek.workspace.progress import progress_bar, set_quiet
from geoseek.workspace.reference import create_workspace

__all__ = [
    "CONFIG_NAME",
    "DEFAULT_SIZES",
    "MANIFEST_NAME",
    "REFERENCE_FOLDERS",
    "RUN_LOG_NAME",
    "AnnotateSettings",
    "CurateSettings",
    "ExportSettings",
    "SampleSettings",
    "Settings",
    "TagSettings",
    "TrainSettings",
    "WorkspaceConfig",
    "atomic_path",
    "cache_dir",
    "create_workspace",
    "display_path",
    "exclusive",
    "file_fingerprint",
    "find_workspace",
    "installed_versions",
    "load_config",
    "plain_os_errors",
    "progress_bar",
    "read_manifest",
    "read_run_log",
    "read_yaml",
    "recover",
    "reference_root",
    "set_quiet",
    "stable_digest",
    "transaction",
    "validate_settings",
    "write_manifest",
    "write_run_log",
    "write_text",
]
