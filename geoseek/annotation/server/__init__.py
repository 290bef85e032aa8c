"""A Label Studio server: the workspace's own or an existing one, a connection to it, its accounts."""

from geoseek.annotation.server.accounts import Account, checked_email, invite
from geoseek.annotation.server.errors import LOCAL, TOKEN_VARIABLE, URL_VARIABLE, StudioError
from geoseek.annotation.server.home import local_media_root
from geoseek.annotation.server.local import ensure_studio, serve, stop_server
from geoseek.annotation.server.studio import TESTED_VERSION, Patience, Studio, connect

__all__ = [
    "LOCAL",
    "TESTED_VERSION",
    "TOKEN_VARIABLE",
    "URL_VARIABLE",
    "Account",
    "Patience",
    "Studio",
    "StudioError",
    "checked_email",
    "connect",
    "ensure_studio",
    "invite",
    "local_media_root",
    "serve",
    "stop_server",
]
