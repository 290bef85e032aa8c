"""Push and pull against a real Label Studio, as ratios to a client that makes only the HTTP calls the data need.

The first start of the server takes a minute; no time of the server's start is in any figure.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import annotate_pull
import httpx
import pyarrow as pa
import pyarrow.parquet as pq
from measure import HEADER, interleaved, line, report_child
from PIL import Image

CHUNK = 1000
_URL, _TOKEN = annotate_pull.URL, annotate_pull.TOKEN


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """Run a Label Studio of its own; children find it through the environment."""
    from geoseek.annotation.server import ensure_studio, stop_server
    from geoseek.annotation.server.home import load_secrets, server_home

    (folder / "geoseek.yaml").write_text("seed: 1\n")
    try:
        with ensure_studio(folder) as studio:
            os.environ[_URL] = studio.url
            os.environ[_TOKEN] = load_secrets(server_home(folder)).token or ""
        yield
    finally:
        stop_server(folder)


# push


def make_samples(workspace: Path, count: int) -> None:
    """Write the tables of a fetch: so many members that share a hundred tiny pictures."""
    from geoseek.schemas import ImageRecord, Member, arrow_schema

    images = workspace / "work" / "images"
    images.mkdir(parents=True)
    (workspace / "geoseek.yaml").write_text("seed: 1\n")
    (workspace / "work" / "annotation").mkdir()
    (workspace / "work" / "annotation" / "server").symlink_to(workspace.parent / "work" / "annotation" / "server")
    names = []
    for number in range(100):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), (number, 255 - number, 99)).save(buffer, "JPEG")

        names.append(hashlib.sha256(buffer.getvalue()).hexdigest())
        (images / f"{names[-1]}.jpg").write_bytes(buffer.getvalue())
    sample = {
        "source": "bench", "lat": 0.0, "lng": 0.0, "image": None, "captured_at": None, "sequence_id": None,
        "license": None, "attribution": None, "orientation": None, "split": "cot", "country": "", "continent": "EU",
        "region": None, "place": None, "place_distance_km": None, "cell": 0, "inclusion_probability": 0.5,
        "design_weight": 2.0, "prn": 0.5, "replaces": None,
    }  # fmt: skip
    picture = {
        "split": "cot", "view": 0, "kind": "photo", "mime": "image/jpeg", "bytes": 0, "width": 64, "height": 48,
        "orientation": 1, "mode": "RGB", "animated": False, "phash": "", "phash_fine": "", "host": None,
    }  # fmt: skip
    members, records = [], []
    for number in range(count):
        stratum = f"S{number % 150:03d}"
        members.append(
            {**sample, "id": f"bench:{number}", "source_id": str(number), "rank": number, "stratum": stratum,
             "country_code": stratum}
        )  # fmt: skip
        name = names[number % len(names)]
        records.append({**picture, "id": f"bench:{number}", "sha256": name, "path": f"{name}.jpg"})
    pq.write_table(pa.Table.from_pylist(members, schema=arrow_schema(Member)), images / "members.parquet")
    pq.write_table(pa.Table.from_pylist(records, schema=arrow_schema(ImageRecord)), images / "images.parquet")


def push(samples: Path) -> None:
    """Push the samples of a workspace as a new one, with one annotator."""
    from geoseek.annotation.forms import load_form
    from geoseek.annotation.push.run import PushRequest, run_push
    from geoseek.annotation.server import connect
    from geoseek.schemas import Split

    with tempfile.TemporaryDirectory(prefix="geoseek-bench-", dir=samples.parent) as name:
        workspace = Path(name)
        (workspace / "work" / "annotation").mkdir(parents=True)
        (workspace / "work" / "images").symlink_to(samples / "work" / "images")
        server_folder = samples.parent / "work" / "annotation" / "server"
        (workspace / "work" / "annotation" / "server").symlink_to(server_folder)
        load_form(workspace, Split.COT)  # its imports are no part of the job

        def job() -> None:
            with connect(os.environ[_URL], os.environ[_TOKEN], identity="local", say=lambda _: None) as studio:
                run_push(PushRequest(workspace, (Split.COT,), chunk=CHUNK), studio)

        report_child(job)


def send(samples: Path) -> None:
    """Do the same by hand: project, storage, imports; nothing is looked up, planned or remembered."""
    from geoseek.annotation.forms import load_form
    from geoseek.schemas import Split

    form = load_form(samples, Split.COT)
    pictures = samples.parent / "work" / "annotation" / "server" / "media" / "pictures"

    def job() -> None:
        with httpx.Client(base_url=os.environ[_URL], timeout=120) as client:
            token = client.post("/api/token/refresh", json={"refresh": os.environ[_TOKEN]}).json()["access"]
            client.headers["Authorization"] = f"Bearer {token}"
            project = _post(client, "/api/projects", {"title": "by hand", "label_config": form.xml})["id"]
            storage = {"project": project, "path": str(pictures.resolve()), "use_blob_urls": True}
            _post(client, "/api/storages/localfiles", storage)
            table = pq.read_table(samples / "work" / "images" / "images.parquet", columns=["id", "path"])
            for name in set(table["path"].to_pylist()):
                (pictures / name).write_bytes((samples / "work" / "images" / name).read_bytes())
            for start in range(0, table.num_rows, CHUNK):
                rows = table.slice(start, CHUNK).to_pylist()
                body = [
                    {"data": {"key": row["id"], "image": f"/data/local-files/?d=pictures/{row['path']}"}}
                    for row in rows
                ]
                _post(client, f"/api/projects/{project}/import?return_task_ids=true", body)

    report_child(job)


def _post(client: httpx.Client, path: str, body: object) -> dict[str, int]:
    answer: dict[str, int] = client.post(path, json=body).raise_for_status().json()
    return answer


def bench_push(folder: Path, tasks: int, runs: int) -> None:
    """Print the figures of push."""
    jobs = {}
    for name, count in (("small", tasks // 5), ("large", tasks)):
        make_samples(folder / name, count)
        jobs[f"push {name}"] = [__file__, "--child", "push", "--folder", str(folder / name)]
    jobs["by hand"] = [__file__, "--child", "send", "--folder", str(folder / "large")]
    found = interleaved(jobs, runs)
    ratio = found["push large"].seconds / found["by hand"].seconds
    print(line(f"push of {tasks:,} tasks / the same by hand", ratio, "<= 1.3", ratio <= 1.3))
    ratio = found["push large"].peak_mb / found["by hand"].peak_mb
    print(line("peak memory / the same by hand", ratio, "<= 1.3", ratio <= 1.3))
    ratio = found["push large"].peak_mb / found["push small"].peak_mb
    print(line(f"peak memory / that for {tasks // 5:,} tasks", ratio, "<= 1.2", ratio <= 1.2))


# pull


def bench_pull(folder: Path, tasks: int, runs: int) -> None:
    """Print the figures of pull."""
    jobs = {}
    for name, count in (("few", tasks // 5), ("many", tasks)):
        (folder / name).mkdir()
        annotate_pull.make_annotated(folder / name, count)
        jobs[f"pull {name}"] = [__file__, "--child", "pull", "--folder", str(folder / name)]
    jobs["by hand"] = [__file__, "--child", "fetch", "--folder", str(folder / "many")]
    found = interleaved(jobs, runs)
    ratio = found["pull many"].seconds / found["by hand"].seconds
    print(line(f"pull of {tasks:,} annotations / the same by hand", ratio, "<= 1.3", ratio <= 1.3))
    ratio = found["pull many"].peak_mb / found["by hand"].peak_mb
    print(line("peak memory / the same by hand", ratio, "<= 1.3", ratio <= 1.3))
    ratio = found["pull many"].peak_mb / found["pull few"].peak_mb
    print(line(f"peak memory / that for {tasks // 5:,} annotations", ratio, "<= 1.2", ratio <= 1.2))


def main() -> None:
    """Run as a child when asked to, else run all jobs and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", choices=["push", "send", "pull", "fetch"])
    parser.add_argument("--only", choices=["push", "pull"])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.child:
        jobs = {"push": push, "send": send, "pull": annotate_pull.pull, "fetch": annotate_pull.fetch}
        jobs[arguments.child](arguments.folder)
        return
    with tempfile.TemporaryDirectory(prefix="geoseek-bench-") as name, server(Path(name)):
        print(f"Label Studio on this machine, medians of {arguments.runs} runs")
        print(HEADER)
        if arguments.only != "pull":
            bench_push(Path(name), arguments.tasks, arguments.runs)
        if arguments.only != "push":
            bench_pull(Path(name), arguments.tasks, arguments.runs)


if __name__ == "__main__":
    main()
