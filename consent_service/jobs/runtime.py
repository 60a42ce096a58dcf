"""Runs workflows to their end, whatever happens to the process, on DBOS.

In: functions registered by name, and requests written by `enqueue` in the caller's transaction. Out: each
request runs once (workflow id = job id); after a crash it resumes at the step that was interrupted.

A request travels: row in `job_requests` (committed with the fact that needs it) -> DBOS queue -> threads.
Only the process that launches the runtime (`serve` with `embedded_worker`, or `worker`) runs jobs; others
just write requests. Step results are JSON, never pickles: writing to the jobs database runs no code.
Source: DBOS Transact documentation, "Workflows", "Queues", "Recovery".
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Event, Thread
from typing import Final, TypeVar, cast

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, EnqueueOptions
from sqlalchemy import Engine, make_url

from consent_service.db.session import after_commit, reading, transaction
from consent_service.jobs import outbox
from consent_service.jobs.outbox import JobRequest, Json
from consent_service.jobs.steps import Patience, Stopped, attempt, settle
from consent_service.kernel.clock import Clock, SystemClock
from consent_service.kernel.errors import ConflictError
from consent_service.settings import Settings

VERSION: Final = "1"
"""Version of the workflows' shape: raise it when a change would not resume workflows already under way."""

QUEUE: Final = "jobs"
_POLL_SECONDS: Final = 0.1
_DISPATCH_SECONDS: Final = 0.25
_BATCH: Final = 50
_MOST_RECOVERIES: Final = 10  # a job that kills its worker this often is set aside
_log = structlog.get_logger("jobs")
T = TypeVar("T")
Workflow = Callable[..., object]


class JobRuntime:
    """Registers, requests and runs jobs. One may be launched per process: DBOS is a singleton."""

    def __init__(self, settings: Settings, engine: Engine, clock: Clock | None = None) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock or SystemClock()
        self._workflows: dict[str, Workflow] = {}
        self._loops: list[tuple[str, float, Callable[[], object]]] = []
        self._threads: list[Thread] = []
        self._stopping, self._wake = Event(), Event()
        self._running, self._idle = 0, Condition()
        self._lock: int | None = None

    @property
    def launched(self) -> bool:
        """Whether this process runs jobs now."""
        return self._lock is not None

    def workflow(self, name: str) -> Callable[[Workflow], Workflow]:
        """Register the decorated function as the workflow `name`. Before `launch`.

        The function takes JSON values. It calls `step` for everything that has an effect and is otherwise
        deterministic: after a crash it runs again from the top, with finished steps answered from the record.
        """

        def register(function: Workflow) -> Workflow:
            if self._workflows.setdefault(name, function) is not function:
                raise ValueError(f"the workflow `{name}` is registered twice")
            return function

        return register

    def every(self, name: str, seconds: float, function: Callable[[], object]) -> None:
        """Run `function` again and again in the process that runs jobs, `seconds` apart. Before `launch`."""
        self._loops.append((name, seconds, function))

    def step(
        self, name: str, function: Callable[..., T], *args: object, patience: Patience | None = None
    ) -> T:
        """Run one step of a workflow and record its outcome; a recorded step is not run again.

        A crash may come after the effect and before the record, so the function must be idempotent. Outside a
        launched runtime it simply runs.

        Args:
            name: Name of the step in the record and the log.
            function: Returns a JSON value.
            args: Its arguments.
            patience: How often it is tried when what it needs is out of reach.

        Raises:
            StepFailedError: It failed for good; `code` says why.
        """

        def run() -> dict[str, object]:
            if self._stopping.is_set():
                raise Stopped
            return attempt(name, lambda: function(*args), patience or Patience(), self._stopping)

        return cast("T", settle(DBOS.run_step({"name": name}, run) if self.launched else run()))

    def enqueue(self, name: str, job_id: str, *args: Json) -> None:
        """Ask for one run of the workflow `name`; asking again with the same id changes nothing.

        Inside `db.session.transaction` the request is committed with everything else, or not at all.
        """
        with transaction(self._engine) as session:
            outbox.add(session, JobRequest(job_id, name, args), self._clock.now())
            after_commit(session, self._wake.set)

    def launch(self) -> None:
        """Start to run jobs, first those a crash interrupted.

        Raises:
            ConflictError: Another process (or runtime) runs jobs under the same executor id.
        """
        self._lock = _acquire(self._settings)
        self._stopping.clear()
        DBOS(config=self._configuration())
        for name, function in self._workflows.items():
            DBOS.workflow(name=name, max_recovery_attempts=_MOST_RECOVERIES)(self._guarded(name, function))
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=self._settings.worker_concurrency,
            polling_interval_sec=_POLL_SECONDS,
            on_conflict="always_update",
        )
        self._start("job-dispatch", _DISPATCH_SECONDS, self._dispatch)
        for name, seconds, loop in self._loops:
            self._start(name, seconds, loop)

    def shutdown(self) -> None:
        """Stop running jobs; what is under way resumes at the next launch. Does nothing when not launched.

        Steps that run now are waited for: two processes must not work on one job. Killing the process
        instead is safe; then the steps are run again.
        """
        if self._lock is None:
            return
        self._stopping.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0)
        DBOS.destroy(destroy_registry=True)
        os.close(self._lock)
        self._lock = None

    def backlog(self) -> int:
        """Return how many requests no runner has taken over yet."""
        with reading(self._engine) as session:
            return outbox.count(session)

    def wait(self, job_id: str, seconds: float = 30.0) -> str | None:
        """Return the state of a job once it has ended (`SUCCESS`, `ERROR`, ...), or after so many seconds."""
        pause = Event()
        for _ in range(max(1, int(seconds / _POLL_SECONDS))):
            state = self.state(job_id)
            if state not in {None, "ENQUEUED", "PENDING"}:
                return state
            pause.wait(_POLL_SECONDS)
        return self.state(job_id)

    def state(self, job_id: str) -> str | None:
        """Return DBOS's word for the state of a job; None while only requested, or unknown."""
        status = DBOS.get_workflow_status(job_id)
        return None if status is None else status.status

    def _configuration(self) -> DBOSConfig:
        return {
            "name": "consent-service",
            "system_database_url": jobs_database(self._settings),
            "application_version": VERSION,
            "executor_id": self._settings.executor_id,
            "log_level": "WARNING",
            "serializer": DBOSPortableJSONSerializer(),
            "enable_otlp": False,
            "max_executor_threads": self._settings.worker_concurrency + 4,
        }

    def _dispatch(self) -> None:
        """Hand waiting requests to the queue. The job id makes a second hand-over harmless."""
        with reading(self._engine) as session:
            requests = outbox.waiting(session, tuple(self._workflows), _BATCH)
        if not requests:
            return
        for request in requests:
            options: EnqueueOptions = {
                "queue_name": QUEUE,
                "workflow_name": request.name,
                "workflow_id": request.job_id,
            }
            DBOS.enqueue_workflow_with_options(options, *request.arguments)
        with transaction(self._engine) as session:
            outbox.remove(session, [request.job_id for request in requests])

    def _guarded(self, name: str, function: Workflow) -> Workflow:
        """Wrap a workflow: count it while it runs, record no result, log a failure by its type only."""

        def run(*args: Json) -> None:
            with self._counted():
                try:
                    function(*args)
                except Exception as error:
                    _log.exception("job failed", job=name, error=type(error).__name__)
                    raise

        run.__qualname__ = run.__name__ = name
        return run

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._idle:
            self._running += 1
        try:
            yield
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _start(self, name: str, seconds: float, function: Callable[[], object]) -> None:
        thread = Thread(target=self._loop, args=(name, seconds, function), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, name: str, seconds: float, function: Callable[[], object]) -> None:
        signal = self._wake if function == self._dispatch else self._stopping
        while not self._stopping.is_set():
            try:
                function()
            except Exception as error:  # noqa: BLE001  # a loop outlives whatever one round meets
                _log.warning("loop failed", loop=name, error=type(error).__name__)
            signal.wait(seconds)
            self._wake.clear()


def jobs_database(settings: Settings) -> str:
    """Return where DBOS keeps its records: a file of its own, or the PostgreSQL server in use."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        return f"sqlite:///{settings.data_dir / 'jobs.db'}"
    return url.set(database=f"{url.database}_jobs").render_as_string(hide_password=False)


def _acquire(settings: Settings) -> int:
    """Hold the right to run jobs under this executor id; the system lets go of it when the process dies."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(
        settings.data_dir / f"worker-{settings.executor_id}.lock", os.O_RDWR | os.O_CREAT, 0o600
    )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise ConflictError("worker_running", "another process runs the jobs of this executor id") from None
    return descriptor
