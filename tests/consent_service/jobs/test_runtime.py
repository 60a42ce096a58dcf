from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import Engine
from sqlmodel import SQLModel, select

from consent_service.db.engine import create_database
from consent_service.db.session import reading, transaction
from consent_service.jobs.runtime import JobRuntime, jobs_database
from consent_service.jobs.steps import Patience, StepFailedError
from consent_service.jobs.tables import JobRequestRow
from consent_service.kernel.errors import ConflictError, InvalidInputError, UnavailableError
from consent_service.settings import Settings

HASTY = Patience(attempts=3, pause=0.001)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_database(f"sqlite:///{tmp_path / 'consent.db'}")
    SQLModel.metadata.create_all(made, tables=[SQLModel.metadata.tables["job_requests"]])
    yield made
    made.dispose()


@pytest.fixture
def runtime(engine: Engine, tmp_path: Path) -> Iterator[JobRuntime]:
    made = JobRuntime(Settings(data_dir=tmp_path), engine)
    yield made
    made.shutdown()


def waiting(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.exec(select(JobRequestRow.job_id)))


def test_a_job_runs_once_with_its_arguments(runtime: JobRuntime, engine: Engine) -> None:
    seen: list[tuple[object, ...]] = []

    @runtime.workflow("greet")
    def greet(name: str, times: int) -> None:
        seen.append((name, runtime.step("double", lambda number: number * 2, times)))

    runtime.launch()
    for _ in range(3):
        runtime.enqueue("greet", "job-1", "you", 2)
    assert runtime.wait("job-1") == "SUCCESS"
    runtime.enqueue("greet", "job-1", "you", 2)
    runtime.enqueue("greet", "job-2", "me", 1)
    assert runtime.wait("job-2") == "SUCCESS"
    assert seen == [("you", 4), ("me", 2)]
    assert waiting(engine) == []


def test_a_request_is_committed_with_the_fact_or_not_at_all(runtime: JobRuntime, engine: Engine) -> None:
    def fail() -> None:
        with transaction(engine):
            runtime.enqueue("greet", "lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with transaction(engine):
        runtime.enqueue("greet", "kept")
    assert waiting(engine) == ["kept"]


def test_requests_made_before_a_runner_exists_are_run_later(runtime: JobRuntime) -> None:
    done = Event()
    runtime.workflow("later")(done.set)
    runtime.enqueue("later", "early-bird")
    runtime.launch()
    assert runtime.wait("early-bird") == "SUCCESS"
    assert done.is_set()


def test_a_request_for_an_unknown_workflow_waits(runtime: JobRuntime, engine: Engine) -> None:
    runtime.workflow("known")(lambda: None)
    runtime.launch()
    runtime.enqueue("unknown", "patient")
    runtime.enqueue("known", "prompt")
    assert runtime.wait("prompt") == "SUCCESS"
    assert waiting(engine) == ["patient"]


def test_what_may_pass_is_tried_again(runtime: JobRuntime) -> None:
    tries: list[int] = []

    def flaky() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("signer_unavailable", "the signer does not answer")
        return "signed"

    assert runtime.step("sign", flaky, patience=HASTY) == "signed"
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("error", "tries", "code"),
    [
        (UnavailableError("signer_unavailable", "x"), 3, "signer_unavailable"),
        (InvalidInputError("media_empty", "x"), 1, "media_empty"),
        (ValueError("a face of somebody"), 1, "ValueError"),
    ],
)
def test_a_step_that_fails_for_good_says_why(
    runtime: JobRuntime, error: Exception, tries: int, code: str
) -> None:
    seen: list[StepFailedError] = []
    made: list[int] = []

    def fail() -> None:
        made.append(1)
        raise error

    @runtime.workflow("doomed")
    def doomed() -> None:
        try:
            runtime.step("fail", fail, patience=HASTY)
        except StepFailedError as failure:
            seen.append(failure)

    runtime.launch()
    runtime.enqueue("doomed", "d")
    assert runtime.wait("d") == "SUCCESS"
    assert [failure.code for failure in seen] == [code]
    assert "somebody" not in seen[0].detail
    assert len(made) == tries


def test_a_job_that_fails_is_recorded_as_failed(runtime: JobRuntime) -> None:
    @runtime.workflow("broken")
    def broken() -> None:
        raise RuntimeError("boom")

    runtime.launch()
    runtime.enqueue("broken", "b")
    assert runtime.wait("b") == "ERROR"


def test_loops_go_on_after_a_failure_and_end_cleanly(runtime: JobRuntime) -> None:
    rounds: list[int] = []
    third = Event()

    def tick() -> None:
        rounds.append(1)
        if len(rounds) == 3:
            third.set()
        if len(rounds) == 1:
            raise RuntimeError

    runtime.every("tick", 0.01, tick)
    runtime.launch()
    assert third.wait(10)
    runtime.shutdown()
    count = len(rounds)
    assert not third.wait(0) or len(rounds) == count


def test_only_one_worker_runs_the_jobs_of_an_executor(
    runtime: JobRuntime, engine: Engine, tmp_path: Path
) -> None:
    runtime.launch()
    with pytest.raises(ConflictError) as caught:
        JobRuntime(Settings(data_dir=tmp_path), engine).launch()
    assert caught.value.code == "worker_running"


def test_a_runtime_can_be_launched_again(runtime: JobRuntime) -> None:
    runs: list[str] = []
    runtime.workflow("again")(runs.append)
    for name in ("one", "two"):
        runtime.launch()
        runtime.enqueue("again", name, name)
        assert runtime.wait(name) == "SUCCESS"
        runtime.shutdown()
    assert runs == ["one", "two"]


def test_two_workflows_cannot_share_a_name(runtime: JobRuntime) -> None:
    runtime.workflow("same")(lambda: None)
    with pytest.raises(ValueError, match="same"):
        runtime.workflow("same")(lambda: None)


def test_the_jobs_database_follows_the_service_database(tmp_path: Path) -> None:
    assert jobs_database(Settings(data_dir=tmp_path)) == f"sqlite:///{tmp_path / 'jobs.db'}"
    settings = Settings(data_dir=tmp_path, database_url="postgresql+psycopg://u:p@host/consent")
    assert jobs_database(settings) == "postgresql+psycopg://u:p@host/consent_jobs"


def test_patience_is_at_least_one_try() -> None:
    with pytest.raises(ValueError, match="at least once"):
        Patience(attempts=0)


def test_a_shutdown_waits_for_the_running_step_and_the_rest_resumes(runtime: JobRuntime) -> None:
    began, trace = Event(), list[str]()

    def slow() -> None:
        began.set()
        runtime._stopping.wait(10)
        trace.append("first")

    @runtime.workflow("long")
    def long() -> None:
        runtime.step("first", slow)
        runtime.step("second", trace.append, "second")

    runtime.launch()
    runtime.enqueue("long", "l")
    assert began.wait(10)
    runtime.shutdown()
    assert trace == ["first"]
    runtime.launch()
    assert runtime.wait("l") == "SUCCESS"
    assert trace == ["first", "second"]


def test_a_shutdown_does_not_wait_for_patience(runtime: JobRuntime) -> None:
    tried, trace = Event(), list[str]()

    def fail() -> str:
        tried.set()
        if trace:
            return "done"
        raise UnavailableError("signer_unavailable", "x")

    @runtime.workflow("patient")
    def patient() -> None:
        trace.append(runtime.step("sign", fail, patience=Patience(attempts=9, pause=600)))

    runtime.launch()
    runtime.enqueue("patient", "p")
    assert tried.wait(10)
    runtime.shutdown()
    trace.append("later")
    runtime.launch()
    assert runtime.wait("p") == "SUCCESS"
    assert trace == ["later", "done"]
