from __future__ import annotations

import doctest
import json
import random
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import ModuleType

import pytest

from geoseek.endpoints import Endpoint
from geoseek.formats import GRPO_QUESTION, SFT_QUESTION, SYSTEM
from geoseek.schemas import Decoding, InputError, MissingExtraError, OutputError, Split, UsageError
from geoseek.training.checkpoints import Checkpoint
from geoseek.training.infer import (
    EngineName,
    InferRequest,
    InferStoppedError,
    QuestionForm,
    describe_infer,
    outputs,
    run_infer,
    target,
)
from geoseek.training.infer.endpoint import EndpointEngine
from geoseek.training.infer.engine import Outcome
from geoseek.training.infer.pictures import Item, Question
from tests.endpoints.stub_server import Asked, ChatServer, cut, fail, say
from tests.formats.exports import jpeg
from tests.training.infer.stub import COLMAR, infer, locate, mark, picture_of, request_to, rows, tagged

SECRET = "secret-of-the-stub"  # noqa: S105


def manifest(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads(path.with_name(f"{path.stem}.manifest.json").read_text())
    return content


@pytest.mark.parametrize("module", [outputs, target])
def test_doctests(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_split_by_an_endpoint(workspace: Path, server: ChatServer) -> None:
    result = infer(workspace, server)
    assert result.output == workspace / "runs" / "predictions" / "stub-vl-1" / "val.jsonl"
    found = rows(result)
    assert [row.id for row in found] == [f"pool:val-{n}" for n in range(4)]
    for number, row in enumerate(found):
        assert row.answer == COLMAR
        assert row.chain is not None
        assert row.chain.country.clues == (mark(jpeg(number)),)
        assert row.lat == pytest.approx(48.08, abs=0.2)
        assert (row.country_code, row.error, row.model) == ("FR", None, "stub/vl 1")
        assert row.decoding.model_dump() == {
            "temperature": 0.0,
            "top_p": None,
            "max_tokens": 2048,
            "max_pixels": 1_003_520,
            "seed": None,
        }
    figures = {"rows": 4, "texts": 4, "chains": 4, "answers": 4, "located": 4, "levels": {"place": 4}, "errors": {}}
    assert result.figures == {**figures, "levels": result.figures["levels"]}
    assert sum(result.figures["levels"].values()) == 4
    assert result.spent is not None
    assert result.spent.requests == 4


def test_what_a_server_gets(workspace: Path, server: ChatServer) -> None:
    infer(workspace, server, question=QuestionForm.SFT, temperature=0.5, top_p=0.9, max_tokens=99, seed=7)
    assert len(server.asked) == 4
    for asked in server.asked:
        assert asked["messages"][0] == {"role": "system", "content": SYSTEM}
        picture, question = asked["messages"][1]["content"]
        assert picture["type"] == "image_url"
        assert question == {"type": "text", "text": SFT_QUESTION}
        own = {name: value for name, value in asked.items() if name != "messages"}
        assert own == {"model": "stub/vl 1", "temperature": 0.5, "top_p": 0.9, "max_tokens": 99, "seed": 7}


def test_server_that_allows_no_settings(workspace: Path, server: ChatServer) -> None:
    result = infer(workspace, server, server_defaults=True, limit=1)
    assert set(server.asked[0]) == {"model", "messages"}
    assert rows(result)[0].decoding.temperature is None
    assert server.asked[0]["messages"][1]["content"][1]["text"] == GRPO_QUESTION


def test_neither_position_nor_name_of_a_photo_is_sent(tmp_path: Path, workspace: Path, server: ChatServer) -> None:
    folder = tmp_path / "Eiffel-holiday"
    folder.mkdir()
    (folder / "Paris_Eiffel.jpg").write_bytes(jpeg(1, position=True))
    result = infer(workspace, server, path=folder)
    assert rows(result)[0].id == "Paris_Eiffel.jpg"
    assert "Eiffel" not in json.dumps(server.asked)
    sent = picture_of(server.asked[0])
    assert b"Ana" in jpeg(1, position=True)
    assert b"Ana" not in sent
    assert b"Exif" not in sent


def test_order_and_bytes_whatever_the_concurrency(workspace: Path, server: ChatServer, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number:02d}.jpg").write_bytes(jpeg(number))
    dice = random.Random(4)  # noqa: S311

    def uneven(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(dice.random() * 0.03)
        locate(handler, asked)

    server.usual = uneven
    contents = []
    for concurrency in (1, 3, 16):
        result = infer(
            workspace, server, path=folder, concurrency=concurrency, output=tmp_path / f"{concurrency}.jsonl"
        )
        assert [row.id for row in rows(result)] == [f"{number:02d}.jpg" for number in range(30)]
        contents.append(result.output.read_bytes())
        assert "30 photos" in describe_infer(request_to(workspace, server.url, {"path": folder}))
    assert contents[0] == contents[1] == contents[2]
    assert server.busiest > 3
    manifests = [(tmp_path / f"{concurrency}.manifest.json").read_bytes() for concurrency in (1, 3, 16)]
    assert manifests[0] == manifests[1] == manifests[2]
    assert str(tmp_path).encode() not in manifests[0]


def test_odd_files_become_rows_with_an_error(tmp_path: Path, workspace: Path, server: ChatServer) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "a-cut.jpg").write_bytes(jpeg(0)[:700])
    (folder / "b-text.jpg").write_text("not a picture")
    (folder / "c-empty.png").write_bytes(b"")
    (folder / "d-東京.jpg").write_bytes(jpeg(1))
    (folder / "e-gone.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "f-really-png.jpg").write_bytes(jpeg(2))
    (folder / "g-page.jpg").write_text("<html></html>")
    result = infer(workspace, server, path=folder)
    found = {row.id: row for row in rows(result)}
    assert list(found) == sorted(found)
    errors = {name: row.error.partition(":")[0] for name, row in found.items() if row.error}
    assert errors == {
        "a-cut.jpg": "corrupt",
        "b-text.jpg": "not_an_image",
        "c-empty.png": "empty",
        "e-gone.jpg": "missing_image",
        "g-page.jpg": "not_an_image",
    }
    assert found["d-東京.jpg"].answer == COLMAR
    assert result.figures["errors"] == {"corrupt": 1, "empty": 1, "missing_image": 1, "not_an_image": 2}
    assert len(server.asked) == 2
    assert str(tmp_path) not in result.output.read_text()


def test_only_errors_still_make_a_file(tmp_path: Path, workspace: Path, server: ChatServer) -> None:
    (tmp_path / "x.jpg").write_text("no")
    result = infer(workspace, server, path=tmp_path / "x.jpg")
    assert (result.figures["rows"], result.figures["texts"]) == (1, 0)
    assert not server.asked


def test_row_of_the_split_without_a_picture(workspace: Path, server: ChatServer) -> None:
    found = rows(infer(workspace, server, split=Split.LOC))
    assert [row.error is None for row in sorted(found, key=lambda row: row.id)] == [True, True, True, False]
    assert len(server.asked) == 3


def test_twice_is_up_to_date(workspace: Path, server: ChatServer) -> None:
    first = infer(workspace, server)
    content = first.output.read_bytes()
    second = infer(workspace, server)
    assert (first.up_to_date, second.up_to_date, second.asked) == (False, True, 0)
    assert second.figures == first.figures
    assert len(server.asked) == 4
    assert infer(workspace, server, temperature=0.3).asked == 4
    again = infer(workspace, server)
    assert (again.asked, again.output.read_bytes()) == (4, content)
    assert infer(workspace, server, force=True).asked == 4
    leftovers = [path.name for path in first.output.parent.rglob("*") if path.is_file()]
    assert sorted(leftovers) == [".lock", "val.jsonl", "val.manifest.json"]


def test_file_that_was_changed_is_written_again(workspace: Path, server: ChatServer) -> None:
    first = infer(workspace, server)
    content = first.output.read_bytes()
    first.output.write_bytes(content[:-5])
    assert not infer(workspace, server).up_to_date
    assert first.output.read_bytes() == content


def test_foreign_file_is_not_written_over(workspace: Path, server: ChatServer) -> None:
    precious = workspace / "mine.jsonl"
    precious.write_text("precious\n")
    with pytest.raises(OutputError, match="was not written by"):
        infer(workspace, server, output=precious)
    assert precious.read_text() == "precious\n"
    assert not server.asked
    assert infer(workspace, server, output=precious, force=True).figures["rows"] == 4


def test_errors_are_asked_again_only_if_wished(workspace: Path, server: ChatServer) -> None:
    def moody(handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        refused = mark(picture_of(asked)) == mark(jpeg(2))
        (fail(400, "no such picture") if refused else locate)(handler, asked)

    server.usual = moody
    first = infer(workspace, server)
    assert first.figures["errors"] == {"bad_request": 1}
    assert [row.error is None for row in rows(first)] == [True, True, False, True]
    server.usual = locate
    asked = len(server.asked)
    assert infer(workspace, server).up_to_date
    assert len(server.asked) == asked
    healed = infer(workspace, server, retry_errors=True)
    assert healed.asked == 1
    assert len(server.asked) == asked + 1
    assert healed.figures["errors"] == {}
    assert [row.id for row in rows(healed)] == [f"pool:val-{n}" for n in range(4)]
    assert infer(workspace, server, retry_errors=True).up_to_date


def test_refused_key_stops_and_keeps_what_was_answered(
    workspace: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOSEEK_VLM_KEY", SECRET)
    server.script.extend([locate, locate, fail(401, f"wrong key {SECRET}")])
    with pytest.raises(InferStoppedError, match="unauthorized") as caught:
        infer(workspace, server, concurrency=1)
    assert SECRET not in str(caught.value)
    assert not (workspace / "runs/predictions/stub-vl-1/val.jsonl").exists()
    before = len(server.asked)
    result = infer(workspace, server, concurrency=1)
    assert result.figures["errors"] == {}
    assert result.asked >= 2
    assert len(server.asked) - before == 2
    for path in result.output.parent.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
    assert server.headers[-1]["Authorization"] == f"Bearer {SECRET}"


def test_key_of_another_server_is_not_sent(
    workspace: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEOSEEK_VLM_URL", "https://api.example.org")
    monkeypatch.setenv("GEOSEEK_VLM_MODEL", "theirs")
    monkeypatch.setenv("GEOSEEK_VLM_KEY", SECRET)
    infer(workspace, server)
    assert all("Authorization" not in headers for headers in server.headers)
    with pytest.raises(UsageError, match="not named"):
        run_infer(InferRequest(workspace, endpoint=server.url))


def test_endpoint_of_the_environment(workspace: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="No vision-language model is named"):
        run_infer(InferRequest(workspace, engine=EngineName.ENDPOINT))
    monkeypatch.setenv("GEOSEEK_LLM_URL", server.url)
    monkeypatch.setenv("GEOSEEK_LLM_MODEL", "of-the-environment")
    result = run_infer(InferRequest(workspace, engine=EngineName.ENDPOINT))
    assert (result.model, server.asked[0]["model"]) == ("of-the-environment", "of-the-environment")


@pytest.mark.parametrize("pictures", [3, 15])
def test_nobody_there_is_no_error_of_the_pictures(tmp_path: Path, pictures: int) -> None:
    endpoint = Endpoint("http://127.0.0.1:9", "m", concurrency=1, max_retries=0)
    decoding = Decoding(temperature=0, top_p=None, max_tokens=9, max_pixels=10_000, seed=None)
    engine = EndpointEngine(endpoint, QuestionForm.GRPO, decoding, tmp_path / "cache")
    questions = [Question(n, Item(str(n), jpeg(n) if n != 1 else b"broken")) for n in range(pictures)]
    came_through: list[Outcome] = []
    with pytest.raises(InferStoppedError, match="unreachable") as caught:
        came_through.extend(engine.outcomes(questions, pictures))
    assert not came_through
    assert "What was answered is kept" in str(caught.value)


def test_short_outage_is_an_error_of_few_rows(
    workspace: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geoseek.training.infer import run

    def impatient(url: str | None, model: str | None) -> Endpoint:
        return Endpoint(url or "", model or "", concurrency=1, max_retries=0)

    monkeypatch.setattr(run, "named_endpoint", impatient)
    server.script.extend([locate, cut, locate, locate])
    result = infer(workspace, server)
    assert result.figures["errors"] == {"unreachable": 1}
    assert [row.error is None for row in rows(result)] == [True, False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "no idea",
        "{" * 3000,
        '{"CountryIdentification": ',
        "<answer>",
        "日本; 東京\u0000",
        "\ud83d half",
        "x" * 10**6,
    ],
)
def test_any_text_of_a_model_makes_a_row(workspace: Path, server: ChatServer, text: str) -> None:
    server.usual = say(text)
    found = rows(infer(workspace, server, limit=1))
    assert len(found) == 1
    assert (found[0].text is None) == (found[0].error is not None)


def test_text_that_was_cut_off_is_kept(workspace: Path, server: ChatServer) -> None:
    server.usual = say(tagged("x")[:60], finish="length")
    (row,) = rows(infer(workspace, server, limit=1))
    assert row.text == tagged("x")[:60]
    assert row.repairs or row.failure


def test_seed_is_part_of_the_draw_only_where_something_is_drawn(workspace: Path, server: ChatServer) -> None:
    infer(workspace, server, seed=1)
    assert infer(workspace, server, seed=2).up_to_date
    assert infer(workspace, server, seed=2, temperature=1.0).asked == 4
    assert not infer(workspace, server, seed=3, temperature=1.0).up_to_date


def test_dry_run_sends_and_writes_nothing(workspace: Path, server: ChatServer) -> None:
    words = describe_infer(request_to(workspace, server.url, {"limit": 2}))
    for said in ("the first 2 of 4 pictures of the split val", "stub/vl 1", server.url, "1,003,520", "temperature 0"):
        assert said in words
    assert "runs/predictions/stub-vl-1/val-first2.jsonl" in words
    assert not server.asked
    assert not (workspace / "runs").exists()


def test_model_is_announced_without_its_packages(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    request = InferRequest(workspace, model="Owner/Some-Model")
    assert "Owner/Some-Model, by transformers, 8 at once" in describe_infer(request)
    with pytest.raises(MissingExtraError, match=r"torch.*\n.*geoseek\[train\]"):
        run_infer(InferRequest(workspace, path=workspace / "gone.jpg"))


def test_importing_the_room_loads_no_large_package() -> None:
    heavy = {"torch", "swift", "transformers"}
    code = f"import sys, geoseek.training.infer, geoseek.cli.infer; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_dry_run_does_not_read_the_photos(workspace: Path, server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "photos").mkdir()
    (workspace / "photos" / "a.jpg").write_bytes(jpeg(1))
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    assert "1 photos of photos" in describe_infer(request_to(workspace, server.url, {"path": workspace / "photos"}))


def test_vllm_is_asked_for_by_name(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "vllm" else object())
    with pytest.raises(UsageError, match="vllm"):
        run_infer(InferRequest(workspace, model="Owner/Some-Model", engine=EngineName.VLLM))


def test_models_that_are_none(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    for model, error, said in (
        (None, InputError, "no checkpoint.json"),
        ("no-such-model", UsageError, "neither a folder"),
        ("./gone/model", UsageError, "neither a folder"),
        (str(tmp_path / "empty"), InputError, "holds no model"),
        (str(tmp_path / "adapter"), InputError, "--adapter"),
    ):
        with pytest.raises(error) as caught:
            describe_infer(InferRequest(workspace, model=model))
        assert said in str(caught.value)
    with pytest.raises(UsageError, match="holds no adapter"):
        describe_infer(InferRequest(workspace, model="Owner/Model", adapter=tmp_path / "empty"))


@pytest.mark.parametrize("lost", [{"model": "grpo/swift/checkpoint-6"}, {"adapter": "swift/checkpoint-2"}])
def test_weights_that_are_gone_are_not_looked_for_on_a_hub(workspace: Path, lost: dict[str, str]) -> None:
    trained = Checkpoint(
        model="Owner/Model",
        adapter=None,
        model_type=None,
        template=None,
        torch_dtype=None,
        max_pixels=None,
        recipe="small",
        stage="grpo",
        question="grpo",
    )
    run = workspace / "runs" / "small"
    trained.write(run)
    assert "small/grpo" in describe_infer(InferRequest(workspace, model=str(run)))
    trained.model_copy(update=lost).write(run)
    with pytest.raises(InputError, match=rf"weights of .* are gone: there is no folder {next(iter(lost.values()))}"):
        describe_infer(InferRequest(workspace, model=str(run)))


@pytest.mark.parametrize(
    ("wishes", "option"),
    [
        ({"temperature": -1.0}, "--temperature"),
        ({"temperature": float("nan")}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"max_tokens": 0}, "--max-tokens"),
        ({"max_pixels": 10}, "--max-pixels"),
        ({"data_format": "gre-cot"}, "--data-format"),
        ({"adapter": Path("x")}, "--adapter"),
    ],
)
def test_impossible_wishes(workspace: Path, server: ChatServer, wishes: dict[str, object], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        infer(workspace, server, **wishes)


def test_manifest_tells_how(workspace: Path, server: ChatServer) -> None:
    content = manifest(infer(workspace, server).output)
    assert content["model"] == {"endpoint": {"url": f"{server.url}/v1", "model": "stub/vl 1"}}
    assert content["question"] == "grpo"
    assert str(workspace) not in json.dumps(content)
