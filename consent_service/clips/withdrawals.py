"""What a revoked grant reaches: the published clips that rest on it, and every remix made from them.

In: the id of a grant whose revocation is committed (the notice of the revocation itself went out with it).
Out: those clips marked as withdrawn, and a notice `clip.consent_withdrawn` with their ids to each relying
party concerned, in one transaction, once. Serves journey 5; nothing is republished.
"""

from collections import defaultdict
from dataclasses import replace

from consent_service.accounts import webhooks
from consent_service.clips import repository
from consent_service.clips.domain import ClipConsent
from consent_service.clips.ledger import Ledger
from consent_service.kernel.ids import ClipId, GrantId, RelyingPartyId


class Withdrawals:
    """Follows revocations into the published clips."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def reach(self, grant_id: GrantId) -> list[ClipId]:
        """Mark and announce the clips a revocation reaches; run again, it does nothing more.

        Returns:
            The clips affected, oldest first.
        """
        now = self._ledger.clock.now()
        with self._ledger.transaction() as session:
            clips = repository.reached_by(session, grant_id)
            affected = [clip.clip_id for clip in clips]
            if repository.is_withdrawal_handled(session, grant_id):
                return affected
            told = defaultdict[RelyingPartyId, list[ClipId]](list)
            for clip in clips:
                repository.save(session, replace(clip, consent=ClipConsent.WITHDRAWN, updated_at=now))
                told[clip.relying_party_id].append(clip.clip_id)
            for party, clip_ids in told.items():
                notice = {"grant_id": grant_id, "affected_clips": clip_ids}
                webhooks.enqueue(session, party, "clip.consent_withdrawn", notice, now=now)
            repository.record_withdrawal(session, grant_id, len(affected), now)
        return affected
