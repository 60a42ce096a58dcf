"""The durable job of cameos: `enrol`.

In: the id of a recording that came in. Out: its decision, written once however often the job is run.
"""

from consent_service.cameos.service import JOB, CameoService
from consent_service.jobs.runtime import JobRuntime
from consent_service.jobs.steps import StepFailedError
from consent_service.kernel.ids import CameoId


def register(runtime: JobRuntime, service: CameoService) -> None:
    """Make the job known to the runtime."""

    def enrol(cameo_id: CameoId) -> str:
        """Measure one recording and decide on it."""
        try:
            return str(runtime.step("process", service.process, cameo_id))
        except StepFailedError as error:
            return str(runtime.step("fail", service.fail, cameo_id, error.code))

    runtime.workflow(JOB)(enrol)
