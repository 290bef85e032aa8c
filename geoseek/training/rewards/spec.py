"""What a training tells the plugin: a small JSON file, named by an environment variable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from geoseek.schemas import InputError, UsageError
from geoseek.training.rewards.settings import RewardsSettings
from geoseek.workspace import Settings, write_text

REWARDS_VARIABLE = "GEOSEEK_REWARDS"
"""The environment variable that names the file."""

PLUGIN_PATH = Path(__file__).with_name("plugin.py")
"""The file for ms-swift's `--external_plugins`."""


class RewardsFile(Settings):
    """The file's content."""

    rewards: RewardsSettings = Field(description="the rewards and their parameters")
    log: str = Field("rewards-log.jsonl", description="what the rewards saw; relative to the folder of this file")
    agent_cache: str | None = Field(
        None, description="replies of the agent; relative to the folder of this file; null: the user's cache"
    )

    def write(self, path: Path) -> None:
        """Write the file; equal settings give equal bytes.

        Raises:
            OutputError: It cannot be written.
        """
        write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> RewardsFile:
        """Read the file.

        Raises:
            InputError: It cannot be read, or holds something else.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                f"{path}, {'.'.join(map(str, first['loc'])) or 'the whole file'}: {first['msg']}.",
                hint="`geoseek train` writes this file anew if it is deleted.",
            ) from None


def rewards_path(environment: Mapping[str, str]) -> Path:
    """Return the path of the file that the environment names.

    Raises:
        UsageError: It names none.
    """
    if given := environment.get(REWARDS_VARIABLE, "").strip():
        return Path(given).absolute()
    raise UsageError(
        f"{REWARDS_VARIABLE} is not set, so the plugin does not know which rewards to use.",
        hint="It names the rewards.json of a stage; `geoseek train --dry-run` prints the whole environment.",
    )
