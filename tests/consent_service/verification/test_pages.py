from fastapi.testclient import TestClient


def test_the_form_needs_no_scripts(client: TestClient) -> None:
    page = client.get("/verify")
    assert page.status_code == 200
    assert 'enctype="multipart/form-data"' in page.text
    assert "<script" not in page.text


def test_a_file_that_is_no_media_gets_an_answer_in_words(client: TestClient) -> None:
    page = client.post("/verify", files={"file": ("<b>x</b>.mp4", b"<script>alert(1)</script>", "video/mp4")})
    assert page.status_code == 200
    assert "is broken, or is no media we can read" in page.text
    for answer in ("Intact", "Trusted", "Marked", "Consented"):
        assert f"<dt>{answer}</dt>" in page.text
    assert "<script" not in page.text
    assert "<b>" not in page.text


def test_an_empty_file_is_said_to_be_so(client: TestClient) -> None:
    page = client.post("/verify", files={"file": ("x.mp4", b"", "video/mp4")})
    assert page.status_code == 422
    assert "has no bytes" in page.text
