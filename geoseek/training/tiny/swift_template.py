"""Makes ms-swift know the template of the tiny model: loaded by it with `--external_plugins`."""

from __future__ import annotations

from geoseek.training.tiny import register_tiny_template

register_tiny_template()
