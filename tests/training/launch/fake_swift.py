"""A program that behaves like `swift sft` and `swift rlhf`, in a fraction of a second: logs, checkpoints, faults.

`FAKE_SWIFT` holds faults as `NAME:STEP` (0: before the first step), separated by commas.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 23.6 GiB in total."
ORPHAN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    with open(sys.argv[1], "a") as file:
        file.write("alive\\n")
    time.sleep(0.05)
"""


def main(arguments: list[str]) -> None:
    """Train nothing, and say so."""
    verb, options = arguments[0], _options(arguments[1:])
    output = Path(options["output_dir"])
    output.mkdir(parents=True, exist_ok=True)
    (output / "args.json").write_text(json.dumps(options))
    rows = Path(options["dataset"]).read_text().splitlines()
    sys.stdout.write(f"run sh: {verb} on {len(rows)} rows\n")
    steps, every = int(options["max_steps"]), int(options["save_steps"])
    done = _resumed(options)
    faults = dict(part.split(":") for part in os.environ.get("FAKE_SWIFT", "").split(",") if part)
    for step in range(done, steps + 1):
        _fault(faults, step, output)
        if step > done:
            _log(output, step, steps, is_grpo=verb == "rlhf", is_nan="nan" in faults and step >= int(faults["nan"]))
            if step % every == 0 or step == steps:
                _save(output, step, steps, options)
        time.sleep(float(os.environ.get("FAKE_SWIFT_STEP_S", "0")))
    with (output / "logging.jsonl").open("a") as file:
        file.write(json.dumps({"last_model_checkpoint": f"checkpoint-{steps}", "log_history": []}) + "\n")


def _options(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            found[name] = ""
        else:
            found[name] = f"{found[name]} {word}".strip()
    return found


def _resumed(options: dict[str, str]) -> int:
    if "resume_from_checkpoint" not in options:
        return 0
    folder = Path(options["resume_from_checkpoint"])
    with zipfile.ZipFile(folder / "optimizer.pt") as archive:
        assert archive.read("data") == b"state"
    return int(json.loads((folder / "trainer_state.json").read_text())["global_step"])


def _fault(faults: dict[str, str], step: int, output: Path) -> None:
    if faults.get("oom") == str(step):
        sys.stderr.write(f"Traceback (most recent call last):\n  ...\n{OUT_OF_MEMORY}\n")
        sys.exit(1)
    if faults.get("kill") == str(step):
        os.kill(os.getpid(), signal.SIGKILL)
    if faults.get("torn") == str(step):
        torn = output / f"checkpoint-{step}"
        torn.mkdir()
        (torn / "model.safetensors").write_bytes(_safetensors()[:-5])
        with (output / "logging.jsonl").open("a") as file:
            file.write('{"loss": 0.1, "global_st')
        os.kill(os.getpid(), signal.SIGKILL)
    if faults.get("hang") == str(step):
        # As torchrun's workers do, the child lives in a session of its own.
        subprocess.Popen([sys.executable, "-c", ORPHAN, str(output / "alive.txt")], start_new_session=True)
        time.sleep(600)


def _log(output: Path, step: int, steps: int, *, is_grpo: bool, is_nan: bool) -> None:
    row: dict[str, object] = {
        "loss": float("nan") if is_nan else 2 * 0.8**step,
        "grad_norm": 1.0,
        "learning_rate": 1e-3,
        "global_step/max_steps": f"{step}/{steps}",
        "elapsed_time": f"{time.time()}",
        "train_speed(s/it)": time.time(),
    }
    if is_grpo:
        row |= {"reward": 0.1 * step, "reward_std": 0.2, "kl": 0.01, "completions/mean_length": 20.0}
        row |= {"rewards/GeoSpatial/mean": 0.05 * step, "rewards/GeoSpatial/std": 0.1}
    with (output / "logging.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


def _save(output: Path, step: int, steps: int, options: dict[str, str]) -> None:
    folder = output / f"checkpoint-{step}"
    folder.mkdir()
    is_full = options.get("tuner_type") == "full"
    (folder / ("model.safetensors" if is_full else "adapter_model.safetensors")).write_bytes(_safetensors(step))
    (folder / ("config.json" if is_full else "adapter_config.json")).write_text("{}")
    with zipfile.ZipFile(folder / "optimizer.pt", "w") as archive:
        archive.writestr("data", b"state")
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step, "max_steps": steps}))


def _safetensors(value: int = 0) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes([value % 256] * 8)


if __name__ == "__main__":
    main(sys.argv[1:])
