"""The durable jobs of clips: `publish`, and `grant-revoked`.

In: ids. Out: clips brought to rest; notices queued. Each step's outcome is recorded, so that a job killed at
any point goes on where it was; each step may itself be run again.
"""

from typing import Final

from consent_service.clips.domain import RESTING, ClipState
from consent_service.clips.publishing import Publisher
from consent_service.clips.withdrawals import Withdrawals
from consent_service.jobs.runtime import JobRuntime
from consent_service.jobs.steps import StepFailedError
from consent_service.kernel.ids import ClipId, GrantId

PUBLISH: Final = "publish"
GRANT_REVOKED: Final = "grant-revoked"
_STRANDED_SECONDS: Final = 30.0


def register(runtime: JobRuntime, publisher: Publisher, withdrawals: Withdrawals) -> None:
    """Make the two jobs known to the runtime."""
    journey = (
        publisher.check_declared,
        publisher.scan_for_undeclared,
        publisher.decide,
        publisher.record_intent,
        publisher.mark,
        publisher.sign,
        publisher.verify_output,
        publisher.publish,
    )

    def publish(clip_id: ClipId) -> str:
        """Carry one clip from the gate to publication, or to the reason why not."""
        state: object = ClipState.RECEIVED
        try:
            for step in journey:
                state = runtime.step(step.__name__, step, clip_id)
                if state in RESTING:
                    break
        except StepFailedError as error:
            state = runtime.step("fail", publisher.fail, clip_id, error.code)
        runtime.step("clean_up", publisher.clean_up, clip_id)
        return str(state)

    def grant_revoked(grant_id: GrantId) -> list[ClipId]:
        """Follow a revocation into the published clips and their remixes."""
        return runtime.step("reach", withdrawals.reach, grant_id)

    runtime.every("stranded-clips", _STRANDED_SECONDS, lambda: publisher.end_stranded(runtime.state))
    runtime.workflow(PUBLISH)(publish)
    runtime.workflow(GRANT_REVOKED)(grant_revoked)
