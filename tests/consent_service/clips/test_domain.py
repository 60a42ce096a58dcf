"""The state machine and the declaration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_service.clips.domain import (
    RESTING,
    ClipState,
    Declaration,
    DeclaredLikeness,
    Generator,
    Use,
    advance,
)
from consent_service.kernel.errors import ConflictError, InvalidInputError
from consent_service.kernel.ids import ClipId, LikenessId, new_id

STATES = st.sampled_from(ClipState)
FACE = frozenset({Use.FACE})


def declared(*likenesses: DeclaredLikeness, parents: tuple[ClipId, ...] = ()) -> Declaration:
    return Declaration(
        requester_id="user-1",
        purpose="entertainment",
        commercial=False,
        region=None,
        likenesses=likenesses,
        generator=Generator("model", "1"),
        parents=parents,
    )


@given(STATES)
def test_a_step_that_runs_again_stays_where_it_is(state: ClipState) -> None:
    assert advance(state, state) is state


@given(STATES)
def test_what_is_published_refused_or_failed_never_changes(target: ClipState) -> None:
    for state in (ClipState.PUBLISHED, ClipState.REFUSED, ClipState.FAILED):
        if target is not state:
            with pytest.raises(ConflictError):
                advance(state, target)


@given(st.lists(STATES, max_size=12))
def test_publication_is_reached_only_through_every_stage(path: list[ClipState]) -> None:
    state, seen = ClipState.RECEIVED, [ClipState.RECEIVED]
    for target in path:
        try:
            state = advance(state, target)
        except ConflictError:
            continue
        seen.append(state)
    if state is ClipState.PUBLISHED:
        stages = {ClipState.CHECKING, ClipState.MARKING, ClipState.SIGNING, ClipState.VERIFYING}
        assert stages <= set(seen)


def test_the_straight_way_leads_to_publication() -> None:
    state = ClipState.RECEIVED
    for target in (
        ClipState.CHECKING,
        ClipState.MARKING,
        ClipState.SIGNING,
        ClipState.VERIFYING,
        ClipState.PUBLISHED,
    ):
        state = advance(state, target)
    assert state in RESTING


def test_a_clip_under_review_is_sent_round_again_or_refused() -> None:
    assert advance(ClipState.NEEDS_REVIEW, ClipState.RECEIVED) is ClipState.RECEIVED
    assert advance(ClipState.NEEDS_REVIEW, ClipState.REFUSED) is ClipState.REFUSED
    with pytest.raises(ConflictError):
        advance(ClipState.NEEDS_REVIEW, ClipState.PUBLISHED)


def test_a_declaration_tells_the_uses_of_each_likeness() -> None:
    known, stranger = LikenessId(new_id("lik")), LikenessId(new_id("lik"))
    declaration = declared(DeclaredLikeness(known, FACE))
    assert declaration.uses_of(known) == FACE
    assert declaration.uses_of(stranger) == frozenset()


def test_a_likeness_is_declared_once_and_for_some_use() -> None:
    likeness = LikenessId(new_id("lik"))
    with pytest.raises(InvalidInputError):
        DeclaredLikeness(likeness, frozenset())
    with pytest.raises(InvalidInputError):
        declared(DeclaredLikeness(likeness, FACE), DeclaredLikeness(likeness, FACE))


def test_a_declaration_has_a_bounded_number_of_entries() -> None:
    many = [DeclaredLikeness(LikenessId(new_id("lik")), FACE) for _ in range(17)]
    with pytest.raises(InvalidInputError):
        declared(*many)
    with pytest.raises(InvalidInputError):
        declared(parents=tuple(ClipId(new_id("clp")) for _ in range(9)))


def test_a_parent_must_look_like_a_clip() -> None:
    assert declared(parents=(ClipId(new_id("clp")),)).parents
    with pytest.raises(InvalidInputError):
        declared(parents=(ClipId("../../etc/passwd"),))
