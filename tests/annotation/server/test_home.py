"""Secrets are generated once and private; the log does not grow for ever."""

from __future__ import annotations

import json
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from geoseek.annotation.server import local_media_root
from geoseek.annotation.server.home import (
    Choices,
    last_lines,
    limit_log,
    load_choices,
    load_secrets,
    server_home,
    store_choices,
    store_token,
    write_private,
)
from geoseek.schemas import InputError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_private_and_made_once(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    first = load_secrets(home)
    assert load_secrets(home) == first
    assert mode(home.secrets_file) == 0o600
    assert mode(home.folder) == 0o700
    assert len({first.password, first.signing_key, first.account_key}) == 3
    assert first.token is None
    for secret in (first.password, first.signing_key, first.account_key):
        assert len(secret) >= 24
        assert secret not in repr(first)


def test_two_workspaces_have_different_secrets(tmp_path: Path) -> None:
    one, other = (load_secrets(server_home(tmp_path / name)) for name in ("one", "other"))
    assert one.password != other.password
    assert one.signing_key != other.signing_key


def test_opened_permissions_are_closed_again(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    load_secrets(home)
    home.secrets_file.chmod(0o644)
    home.folder.chmod(0o755)
    load_secrets(server_home(tmp_path))
    assert (mode(home.secrets_file), mode(home.folder)) == (0o600, 0o700)


def test_a_token_is_remembered_privately(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    before = load_secrets(home)
    store_token(home, "abc")
    after = load_secrets(home)
    assert after == replace(before, token="abc")  # noqa: S106
    assert mode(home.secrets_file) == 0o600


def test_threads_generate_the_same_secrets(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(load_secrets(home))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len(set(seen)) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"email": "a"}', '{"what": 1}'])
def test_damaged_secrets(tmp_path: Path, text: str) -> None:
    home = server_home(tmp_path)
    home.secrets_file.write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        load_secrets(home)
    assert home.secrets_file.read_text() == text


def test_lost_secrets_of_an_existing_database_get_a_new_user(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    assert load_secrets(home).email == "lead@geoseek.invalid"
    (home.data / "label_studio.sqlite3").touch()
    home.secrets_file.unlink()
    assert load_secrets(home).email != "lead@geoseek.invalid"


def test_a_private_file_replaces_one_that_a_crash_left(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_private(target, "one")
    write_private(target, "two")
    assert target.read_text() == "two"
    assert list(tmp_path.iterdir()) == [target]


def test_media_root_has_a_strict_subfolder(tmp_path: Path) -> None:
    root = local_media_root(tmp_path)
    assert root == tmp_path.resolve() / "work" / "annotation" / "server" / "media"
    assert (root / "pictures").is_dir()


def test_choices_are_remembered(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    assert load_choices(home) == Choices()
    store_choices(home, Choices(8123, "192.0.2.7", "https://label.example.org"))
    assert load_choices(home) == Choices(8123, "192.0.2.7", "https://label.example.org")
    assert json.loads(home.choices_file.read_text())["port"] == 8123
    home.choices_file.write_text("{")
    assert load_choices(home) == Choices()


def test_a_long_log_is_moved_while_it_is_written_to(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    with home.log.open("ab", buffering=0) as writer:
        writer.write(b"".join(b"line %d\n" % number for number in range(1000)))
        limit_log(home, 10**6)
        assert home.log.stat().st_size > 1000
        limit_log(home, 100)
        assert home.log.stat().st_size == 0
        writer.write(b"after\n")
    assert home.log.read_bytes() == b"after\n"
    older = home.log.with_name("server.log.1")
    assert older.read_bytes().endswith(b"line 999\n")


def test_last_lines(tmp_path: Path) -> None:
    home = server_home(tmp_path)
    assert last_lines(home) == ""
    home.log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(10000)))
    assert last_lines(home, 2).splitlines() == [
        "line 9998 \N{REPLACEMENT CHARACTER}",
        "line 9999 \N{REPLACEMENT CHARACTER}",
    ]
