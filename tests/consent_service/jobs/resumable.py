"""A worker of its own whose third step waits until a file `go` appears: `resumable.py FOLDER [enqueue]`."""

import sys
import time
from pathlib import Path

from sqlmodel import SQLModel

from consent_service.db.engine import create_database
from consent_service.jobs.runtime import JobRuntime
from consent_service.settings import Settings

folder = Path(sys.argv[1])
engine = create_database(f"sqlite:///{folder / 'consent.db'}")
SQLModel.metadata.create_all(engine)
runtime = JobRuntime(Settings(data_dir=folder), engine)


def note(line: str) -> str:
    with (folder / "trace").open("a") as file:
        file.write(f"{line}\n")
    return line


def wait_for_go() -> str:
    note("third began")
    while not (folder / "go").exists():
        time.sleep(0.02)
    return note("third")


@runtime.workflow("journey")
def journey(name: str) -> None:
    runtime.step("first", note, f"first {name}")
    runtime.step("second", note, "second")
    runtime.step("third", wait_for_go)
    runtime.step("fourth", note, "fourth")


if sys.argv[2:] == ["enqueue"]:
    runtime.enqueue("journey", "job-1", "you")
runtime.launch()
sys.stdout.write(f"{runtime.wait('job-1', 60)}\n")
runtime.shutdown()
