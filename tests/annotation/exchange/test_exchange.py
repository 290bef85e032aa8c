from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from geoseek.annotation.exchange import ExportRequest, ImportFormat, ImportRequest, export_file, import_file
from geoseek.annotation.ledger import AnnotationState, Ledger, StoredAnnotation
from geoseek.schemas import InputError, Sample, Split, UsageError, arrow_schema

PLACES = (
    ("p:1", 48.85, 2.35, "FR", "a/one.jpg"),
    ("p:2", 45.76, 4.84, "FR", "b/two.jpg"),
    ("p:3", 45.0, 5.0, "FR", None),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    rows = [
        {
            "id": sample_id,
            "source": "p",
            "source_id": sample_id[2:],
            "lat": lat,
            "lng": lng,
            "image": image,
            "split": Split.COT.value,
            "rank": rank,
            "country_code": country,
            "country": "France",
            "continent": "EU",
            "cell": 1,
            "stratum": country,
            "inclusion_probability": 0.5,
            "design_weight": 2.0,
            "prn": 0.1,
        }
        for rank, (sample_id, lat, lng, country, image) in enumerate(PLACES, start=1)
    ]
    schema = arrow_schema(Sample)
    complete = [{name: row.get(name) for name in schema.names} for row in rows]
    samples = tmp_path / "work" / "samples"
    samples.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(complete, schema=schema), samples / "cot.parquet")
    (tmp_path / "geoseek.yaml").write_text("seed: 1\n")
    return tmp_path


def stage(reasoning: str = "weil") -> dict[str, Any]:
    return {"clues": ["a sign"], "reasoning": reasoning, "conclusion": "France", "uncertainty": "Low"}


def record(sample_id: str = "p:1", **changes: Any) -> dict[str, Any]:
    chain = {"country": stage(), "final_answer": "France"}
    return {"sample_id": sample_id, "annotator": "ana", "chain": chain, **changes}


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def stored(workspace: Path) -> list[StoredAnnotation]:
    with Ledger(workspace / "work" / "annotation") as ledger:
        return list(ledger.annotations())


def test_records_come_in_once_and_changes_make_versions(workspace: Path) -> None:
    file = write_lines(workspace / "mine.jsonl", [record("p:1"), record("p:2")])
    first = import_file(ImportRequest(workspace, file))
    assert (first.read, first.new, first.rejected) == (2, 2, 0)
    again = import_file(ImportRequest(workspace, file))
    assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
    write_lines(file, [record("p:1"), record("p:2", chain={"country": stage("darum"), "final_answer": "France"})])
    changed = import_file(ImportRequest(workspace, file))
    assert (changed.new, changed.changed, changed.unchanged) == (0, 1, 1)
    rows = stored(workspace)
    assert [(row.sample_id, row.version) for row in rows] == [("p:1", 1), ("p:2", 2)]
    assert rows[0].annotation is not None
    assert rows[0].annotation.provenance["chain"] == "human"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{broken", "malformed_row"),
        ("[1]", "malformed_row"),
        (record("p:9"), "unknown_sample"),
        (record(sample_id=""), "no_reference"),
        (record(chain={"country": {"clues": ["x"]}, "final_answer": "y"}), "bad_record"),
        (record(chain="no chain at all"), "bad_record"),
        (record(locatability_score=3.3), "bad_record"),
        (record(scene_tags={"sky": "yes"}), "bad_record"),
        (record(colour="blue"), "bad_record"),
        (record(chain=None), "empty"),
    ],
)
def test_every_bad_row_has_a_reason_and_is_written_out(workspace: Path, row: Any, reason: str) -> None:
    file = write_lines(workspace / "mixed.jsonl", [record("p:2"), row])
    result = import_file(ImportRequest(workspace, file, ImportFormat.RECORDS))
    assert (result.read, result.new, result.rejected) == (2, 1, 1)
    assert result.reasons == {reason: 1}
    assert result.rejects is not None
    (reject,) = (json.loads(line) for line in result.rejects.read_text().splitlines())
    assert reject["reason"] == reason
    assert reject["row"] == "line 2"
    assert reject["detail"]
    write_lines(file, [record("p:2")])
    assert import_file(ImportRequest(workspace, file)).rejects is None
    assert not result.rejects.exists()


def test_the_published_form_of_a_chain_is_read(workspace: Path) -> None:
    published = {
        "CountryIdentification": {"Clues": ["c"], "Reasoning": "r", "Conclusion": "France", "Uncertainty": "Low"},
        "FinalAnswer": "France; Rhône; Lyon",
    }
    rows = [record("p:1", chain=published), record("p:2", chain=json.dumps(published))]
    import_file(ImportRequest(workspace, write_lines(workspace / "gre.jsonl", rows)))
    answers = [
        row.annotation.chain.final_answer for row in stored(workspace) if row.annotation and row.annotation.chain
    ]
    assert answers == ["France; Rhône; Lyon"] * 2


def test_notes_find_their_sample_by_image_name_or_position(workspace: Path) -> None:
    file = workspace / "notes.csv"
    file.write_text(
        "image,text,lat,lng\n"
        'a/one.jpg,"Blue sign, so France",,\n'
        "https://example.org/x/two.jpg?size=1,Pastis ad,,\n"
        ",Flat fields,45.0,5.0\n"
        "unknown.jpg,Where?,1.0,1.0\n"
        "a/one.jpg,,,\n"
    )
    result = import_file(ImportRequest(workspace, file, annotator="club"))
    assert (result.read, result.new, result.rejected) == (5, 3, 2)
    assert result.reasons == {"empty": 1, "unknown_sample": 1}
    rows = stored(workspace)
    assert [row.sample_id for row in rows] == ["p:1", "p:2", "p:3"]
    assert rows[0].annotation is not None
    assert rows[0].annotation.note == "Blue sign, so France"
    assert rows[0].annotation.chain is None
    assert {row.annotator for row in rows} == {"club"}


def test_label_studio_tasks_keep_words_and_skips_but_no_addresses(workspace: Path) -> None:
    def text(control: str, words: str) -> dict[str, Any]:
        return {"id": control, "from_name": control, "to_name": "image", "type": "textarea", "value": {"text": [words]}}

    results = [text("country_clues", "標識"), text("country_reasoning", "é🙂"), text("country_conclusion", "日本")]
    results.append(
        {
            "id": "u",
            "from_name": "country_uncertainty",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": ["High"]},
        }
    )
    results.append(text("final_answer", "日本"))
    who = {"id": 4, "email": "secret@example.org"}
    tasks = [
        {
            "data": {"id": "p:1"},
            "annotations": [{"id": 10, "completed_by": who, "result": results}],
        },
        {"data": {"id": "p:2"}, "annotations": [{"id": 11, "completed_by": 4, "was_cancelled": True, "result": []}]},
        {"data": {"id": "p:3"}},
    ]
    file = workspace / "export.json"
    file.write_text(json.dumps(tasks))
    result = import_file(ImportRequest(workspace, file))
    assert (result.read, result.new, result.rejected) == (3, 2, 1)
    one, two = stored(workspace)
    assert one.annotation is not None
    assert one.annotation.chain is not None
    assert one.annotation.chain.country.reasoning == "é🙂"
    assert (one.annotator, two.state) == ("user-4", AnnotationState.SKIPPED)


@pytest.mark.parametrize(("name", "content"), [("x.json", "{}"), ("x.json", "nonsense"), ("x.csv", "a,b\n1,2\n")])
def test_a_file_of_another_kind_is_refused(workspace: Path, name: str, content: str) -> None:
    file = workspace / name
    file.write_text(content)
    with pytest.raises(InputError):
        import_file(ImportRequest(workspace, file))


def test_an_unknown_suffix_and_a_workspace_without_samples_are_refused(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="suffix"):
        import_file(ImportRequest(workspace, workspace / "x.xlsx"))
    (workspace / "work" / "samples" / "cot.parquet").unlink()
    with pytest.raises(InputError, match="no samples"):
        import_file(ImportRequest(workspace, write_lines(workspace / "m.jsonl", [record()])))


@pytest.mark.parametrize("name", ["out.jsonl", "out.json"])
def test_what_goes_out_comes_back_unchanged(workspace: Path, name: str) -> None:
    words = record(
        "p:1", clue_boxes=[{"stage": "country", "clue_index": 0, "x": 1, "y": 2, "w": 3, "h": 4, "note": "a sign"}]
    )
    import_file(ImportRequest(workspace, write_lines(workspace / "mine.jsonl", [words, record("p:2")])))
    before = stored(workspace)
    assert export_file(ExportRequest(workspace, workspace / name)) == {"cot": 2}
    first = (workspace / name).read_bytes()
    assert export_file(ExportRequest(workspace, workspace / name)) == {"cot": 2}
    assert (workspace / name).read_bytes() == first
    result = import_file(ImportRequest(workspace, workspace / name))
    assert (result.unchanged, result.rejected) == (2, 0)
    assert [(row.id, row.version) for row in stored(workspace)] == [(row.id, row.version) for row in before]


def test_notes_have_no_form_in_label_studio(workspace: Path) -> None:
    note = {"id": "p:1", "text": "Blue sign"}
    import_file(ImportRequest(workspace, write_lines(workspace / "n.jsonl", [note])))
    assert export_file(ExportRequest(workspace, workspace / "out.json")) == {"left_out": 1}
    assert json.loads((workspace / "out.json").read_text()) == []
    assert export_file(ExportRequest(workspace, workspace / "out.jsonl")) == {"cot": 1}
