"""Marks against manifests: picture and sound each have their say."""

import pytest

from provenance.agreement import Mark, agreement, binds
from provenance.answer import Answer
from provenance.manifests import Ingredient, ManifestReading
from provenance.softbinding.assertion import FINGERPRINT_ALG, SOFT_BINDING_ALG, SoftBinding
from provenance.watermark import Detection, DetectionReport

OWN, PARENT, OTHER = bytes([1] * 8), bytes([2] * 8), bytes([3] * 8)


def manifest(*bound: bytes) -> ManifestReading:
    parent = Ingredient(
        "parentOf", "urn:c2pa:p", (), trusted=True, soft_bindings=(SoftBinding(SOFT_BINDING_ALG, PARENT),)
    )
    bindings = tuple(SoftBinding(SOFT_BINDING_ALG, value) for value in bound)
    fingerprint = SoftBinding(FINGERPRINT_ALG, OTHER)
    return ManifestReading(present=True, soft_bindings=(*bindings, fingerprint), ingredients=(parent,))


def detection(modality: str, payload: bytes | None) -> Detection:
    return Detection(
        modality="video" if modality == "video" else "audio",
        payload=payload,
        epoch=1,
        score=20.0,
        stage="fast",
        false_positive_bound=40.0,
        margin=3.0,
        attempts=1,
    )


def found(picture: bytes | None, sound: bytes | None) -> Mark:
    return Mark(DetectionReport(detection("video", picture), detection("audio", sound)))


@pytest.mark.parametrize(
    ("picture", "sound", "answer", "reasons"),
    [
        (OWN, OWN[:5], Answer.YES, ()),
        (OWN, None, Answer.YES, ()),
        (None, OWN[:5], Answer.YES, ()),
        (None, None, Answer.NO, ("watermark_not_found",)),
        (OTHER, OWN[:5], Answer.NO, ("watermark_disagrees",)),
        (OWN, OTHER[:5], Answer.NO, ("watermark_disagrees",)),
        (OWN, PARENT[:5], Answer.YES, ("watermark_of_ingredient",)),
        (PARENT, None, Answer.NO, ("watermark_of_ingredient",)),
    ],
)
def test_every_mark_must_be_the_bound_one(
    picture: bytes | None, sound: bytes | None, answer: Answer, reasons: tuple[str, ...]
) -> None:
    assert agreement(manifest(OWN), found(picture, sound)) == (answer, reasons)


@pytest.mark.parametrize(
    ("picture", "answer", "reasons"),
    [
        (None, Answer.NO, ()),
        (PARENT, Answer.UNKNOWN, ("watermark_of_ingredient",)),
        (OTHER, Answer.NO, ("watermark_disagrees",)),
    ],
)
def test_a_manifest_that_binds_nothing_promises_nothing(
    picture: bytes | None, answer: Answer, reasons: tuple[str, ...]
) -> None:
    assert agreement(manifest(), found(picture, None)) == (answer, reasons)


def test_nobody_looked() -> None:
    assert agreement(manifest(OWN), Mark(reason="no_watermark_keys")) == (
        Answer.UNKNOWN,
        ("no_watermark_keys",),
    )


def test_prefixes_are_bound_and_fingerprints_are_no_marks() -> None:
    assert binds(manifest(OWN), OWN[:5])
    assert not binds(manifest(OWN), OTHER)
    assert not binds(manifest(OWN), None)
