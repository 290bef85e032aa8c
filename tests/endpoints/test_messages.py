from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from geoseek.endpoints import ChatRequest, Endpoint, ImagePart, Message
from geoseek.endpoints.messages import UnreadableImageError, request_key

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"
ENDPOINT = Endpoint("http://localhost:1", "m", "sk-secret-123456789")


def key(request: ChatRequest, endpoint: Endpoint = ENDPOINT) -> str:
    return request_key(endpoint, request)


def test_text_is_sent_as_text_and_images_as_data_urls(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(JPEG)
    assert Message.system("Be brief.").render() == {"role": "system", "content": "Be brief."}
    rendered = Message.user("Where?", ImagePart(path)).render()
    data = base64.b64encode(JPEG).decode()
    assert rendered["content"] == [
        {"type": "text", "text": "Where?"},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
    ]


@pytest.mark.parametrize(
    ("start", "mime"),
    [
        (b"\xff\xd8\xff\xe1", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_the_kind_of_an_image_is_read_from_its_bytes(start: bytes, mime: str) -> None:
    assert ImagePart(start).load() == (start, mime)


def test_an_image_that_cannot_be_sent_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"^gone\.jpg: ") as caught:
        ImagePart(tmp_path / "gone.jpg").load()
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(UnreadableImageError, match="neither JPEG"):
        ImagePart(b"<html>").load()


def test_key_holds_all_that_decides_the_answer_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    request = ChatRequest((Message.user("Where?", ImagePart(JPEG)),))
    same = [
        key(replace(request, messages=(Message.user("Where?", ImagePart(path)),))),
        key(request, replace(ENDPOINT, key="another", concurrency=1, price_in=1.0)),
        key(request, replace(ENDPOINT, url="http://localhost:1/v1/chat/completions")),
    ]
    assert set(same) == {key(request)}
    others = [
        key(replace(request, messages=(Message.user("Where?", ImagePart(JPEG + b"!")),))),
        key(replace(request, messages=(Message.user("Where", ImagePart(JPEG)),))),
        key(replace(request, messages=(Message.system("Where?"),))),
        key(replace(request, schema={})),
        key(replace(request, temperature=0.7)),
        key(replace(request, temperature=None)),
        key(replace(request, max_tokens=5)),
        key(replace(request, seed=1)),
        key(replace(request, extra={"top_p": 0.5})),
        key(request, replace(ENDPOINT, model="n")),
        key(request, replace(ENDPOINT, url="http://localhost:2")),
    ]
    assert len({key(request), *others}) == len(others) + 1


def test_bytes_of_images_stay_out_of_descriptions() -> None:
    assert "picture" not in repr(ChatRequest((Message.user(ImagePart(JPEG)),)))
