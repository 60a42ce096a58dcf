"""The story remembers what it told and stops where a promise is broken."""

import io

import pytest
from rich.console import Console

from consent_service.demo.report import Narrator, UnmetExpectationError


@pytest.fixture
def tell() -> Narrator:
    return Narrator(Console(file=io.StringIO(), width=90))


def printed(tell: Narrator) -> str:
    assert isinstance(tell.console.file, io.StringIO)
    return tell.console.file.getvalue()


def test_a_step_keeps_what_it_showed(tell: Narrator) -> None:
    with tell.step(4, "She grants"), tell.bar("waiting", 2) as bar:
        bar.advance("still waiting")
        tell.show("reasons", ["granted", "[not markup]"])
        tell.expect("allowed", holds=True)
    told = tell.steps[0].to_json()
    assert (told["step"], told["ok"]) == (4, True)
    assert told["evidence"] == {"reasons": ["granted", "[not markup]"]}
    assert told["expectations"] == {"allowed": True}
    assert "granted, [not markup]" in printed(tell)


def test_a_broken_promise_ends_the_step(tell: Narrator) -> None:
    with pytest.raises(UnmetExpectationError) as broken, tell.step(1, "Set-up"):
        tell.expect("the sky is green", holds=False)
    assert broken.value.claim == "the sky is green"
    assert not tell.steps[0].ok
    assert tell.steps[0].expectations == {"the sky is green": False}


def test_one_of_the_wanted_reasons_is_enough(tell: Narrator) -> None:
    with tell.step(5, "Ask"):
        tell.expect_reasons("another purpose", ["purpose_not_granted"], "no_grant", "purpose_not_granted")
        with pytest.raises(UnmetExpectationError):
            tell.expect_reasons("another person", ["granted"], "no_grant")
