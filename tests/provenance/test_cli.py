"""The command line as a person meets it: exit status, one JSON object, one line of error."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from provenance import cli
from provenance.media import transcode
from provenance.watermark import KeyRing

IDENTIFIER = "0123456789abcdef"
GRANT = f"grant-1,{'a' * 64},https://consent.example/status/1"
runner = CliRunner()


def run(*arguments: object) -> Result:
    return runner.invoke(cli.app, [str(argument) for argument in arguments])


def answer(result: Result) -> dict[str, object]:
    values = json.loads(result.stdout)
    assert isinstance(values, dict)
    return values


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["provenance", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.fixture(scope="module")
def signed(marked: Path, keys: Path, ring: KeyRing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert ring.keys
    folder = tmp_path_factory.mktemp("cli")
    result = run(
        *("sign", marked, folder / "signed.mp4", "--keys", keys, "--repository", folder / "repository"),
        *("--grant", GRANT, "--title", "A clip", "--json"),
    )
    assert result.exit_code == cli.GOOD, result.output
    assert answer(result)["watermark"] == IDENTIFIER
    return folder / "signed.mp4"


def verify(path: Path, keys: Path, signed: Path, *more: object) -> Result:
    repository = signed.parent / "repository"
    return run("verify", path, "--trust", keys, "--keys", keys, "--repository", repository, "--fast", *more)


def test_keys_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("keys", "init", tmp_path / "keys").exit_code == cli.GOOD
    assert run_main(monkeypatch, "keys", "init", tmp_path / "keys") == cli.COULD_NOT
    error = capsys.readouterr().err
    assert error.startswith("provenance: key_material_unusable: ")
    assert error.count("\n") == 1


def test_mark_then_detect(
    make_picture: Callable[..., Path], keys: Path, ring: KeyRing, tmp_path: Path
) -> None:
    assert ring.keys
    source = make_picture(tmp_path / "in.mp4", seed=5)
    marked = run("mark", source, tmp_path / "out.mp4", "--id", IDENTIFIER, "--keys", keys, "--json")
    assert marked.exit_code == cli.GOOD
    assert answer(marked)["payload"] == IDENTIFIER
    found = run("detect", tmp_path / "out.mp4", "--keys", keys, "--fast", "--json")
    assert (found.exit_code, answer(found)["payload"]) == (cli.GOOD, IDENTIFIER)
    absent = run("detect", source, "--keys", keys, "--fast")
    assert absent.exit_code == cli.NEGATIVE
    assert "no mark" in absent.stdout


def test_a_signed_file_verifies(signed: Path, keys: Path) -> None:
    result = verify(signed, keys, signed, "--json")
    verdict = answer(result)
    assert (result.exit_code, verdict["state"]) == (cli.GOOD, "verified")
    assert verdict["marked"] == "yes"
    assert verdict["grants"] == [
        {"grant_id": "grant-1", "receipt_sha256": "a" * 64, "status_url": "https://consent.example/status/1"}
    ]


def test_a_copy_is_recovered_through_the_repository(signed: Path, keys: Path, tmp_path: Path) -> None:
    transcode(signed, tmp_path / "copy.mp4", crf=26, preset="ultrafast")
    result = verify(tmp_path / "copy.mp4", keys, signed)
    assert result.exit_code == cli.GOOD
    assert "recovered" in result.stdout


def test_a_changed_file_is_a_negative_answer(signed: Path, keys: Path, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-2000] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    result = verify(tmp_path / "changed.mp4", keys, signed, "--json")
    assert (result.exit_code, answer(result)["state"]) == (cli.NEGATIVE, "tampered")


def test_a_remix_names_its_parent(signed: Path, keys: Path, marked: Path, tmp_path: Path) -> None:
    output = tmp_path / "remix.mp4"
    made = run("sign", marked, output, "--keys", keys, "--parent", signed, "--id", IDENTIFIER)
    assert made.exit_code == cli.GOOD, made.output
    lineage = answer(verify(output, keys, signed, "--json"))["lineage"]
    assert isinstance(lineage, dict)
    assert lineage["state"] == "sound"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "{signed}", "--trust", "{tmp}/none"), "key_material_unusable"),
        (("detect", "{signed}", "--keys", "{tmp}/none"), "key_material_unusable"),
        (("detect", "{tmp}/text.mp4", "--keys", "{keys}"), "not_media"),
        (
            ("sign", "{tmp}/text.mp4", "{tmp}/o.mp4", "--keys", "{keys}", "--id", IDENTIFIER),
            "media_unsupported",
        ),
        (
            ("sign", "{clip}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", IDENTIFIER, "--production"),
            "key_material_unusable",
        ),
        (
            (
                *("sign", "{clip}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", IDENTIFIER),
                *("--timestamp-url", "http://127.0.0.1:9/"),
            ),
            "timestamp_unavailable",
        ),
        (
            (
                *("sign", "{clip}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", IDENTIFIER),
                *("--signer-socket", "{tmp}/nobody"),
            ),
            "signer_unavailable",
        ),
        (("sign", "{signed}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", IDENTIFIER), "name it as a parent"),
        (("sign", "{clip}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", "12"), "16 hex digits"),
        (("sign", "{clip}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", "xyz"), "hexadecimal"),
        (
            ("sign", "{clip}", "{tmp}/o.mp4", "--keys", "{keys}", "--id", IDENTIFIER, "--grant", "a b"),
            "STATUS_URL",
        ),
        (("verify", "{tmp}/missing.mp4", "--trust", "{keys}"), "does not exist"),
    ],
)
def test_what_cannot_be_done_is_status_two(
    arguments: tuple[str, ...],
    said: str,
    signed: Path,
    clip: Path,
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text.mp4").write_text("no media")
    filled = [text.format(signed=signed, clip=clip, keys=keys, tmp=tmp_path) for text in arguments]
    assert run_main(monkeypatch, *filled) == cli.COULD_NOT
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "o.mp4").exists()


def test_the_installed_command_answers(clip: Path, keys: Path) -> None:
    command = [sys.executable, "-c", "from provenance.cli import main; main()"]
    arguments = ["verify", str(clip), "--trust", str(keys), "--json"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=False, text=True)
    assert done.returncode == cli.NEGATIVE
    assert json.loads(done.stdout)["state"] == "no_credentials"
    assert done.stderr == ""
