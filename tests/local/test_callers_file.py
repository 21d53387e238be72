"""The file of callers: AWS's form, strict, and never shown."""

import os
from pathlib import Path

import pytest

from penstock.local import callers_file
from penstock.local.callers_file import read_callers
from penstock.model.caller import Caller
from penstock.model.errors import ConfigurationError

SECRET = "a secret that must not be printed"
PROFILE = f"[ci]\naws_access_key_id = AKIDCI\naws_secret_access_key = {SECRET}\n"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "callers"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_each_profile_is_a_caller(tmp_path: Path) -> None:
    text = (
        f"# who may call\n{PROFILE}\n[DEFAULT]\nAWS_ACCESS_KEY_ID=AKIDTWO\n"
        f"aws_secret_access_key={SECRET}%2\naws_session_token = a=b/c\n"
    )

    callers = read_callers(write(tmp_path, text))

    assert callers == (
        Caller("ci", "AKIDCI", SECRET),
        Caller("DEFAULT", "AKIDTWO", f"{SECRET}%2", "a=b/c"),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "no callers; each is a profile: a line [NAME]", id="empty"),
        pytest.param("# nothing\n", "no callers", id="comments only"),
        pytest.param(f"aws_secret_access_key = {SECRET}", "not of the form of AWS's", id="no head"),
        pytest.param(f"{PROFILE}{SECRET}\n", "not of the form of AWS's", id="no key"),
        pytest.param("[ci\n", "not of the form of AWS's", id="broken head"),
        pytest.param(f"{PROFILE}{PROFILE}", "the profile 'ci' is there twice", id="profile twice"),
        pytest.param(
            f"{PROFILE}aws_access_key_id = A\n",
            "profile 'ci': aws_access_key_id is there twice",
            id="key twice",
        ),
        pytest.param(
            f"{PROFILE}{PROFILE.replace('[ci]', '[cd]')}",
            "the profiles 'ci' and 'cd' have the same aws_access_key_id",
            id="same access key",
        ),
        pytest.param(
            f"{PROFILE}role_arn = x\n", "profile 'ci': unknown key 'role_arn'", id="unknown key"
        ),
        pytest.param("[ci]\n", "profile 'ci': aws_access_key_id is missing", id="no access key"),
        pytest.param(
            "[ci]\naws_access_key_id = A\naws_secret_access_key =\n",
            "profile 'ci': aws_secret_access_key is missing",
            id="empty secret",
        ),
        pytest.param(
            PROFILE.replace("AKIDCI", "A/B"),
            "aws_access_key_id is 1 to 128 letters, digits",
            id="access key that no scope can hold",
        ),
        pytest.param(
            PROFILE.replace(SECRET, "test"), "shorter than 16 characters", id="short secret"
        ),
        pytest.param(f"{PROFILE}aws_session_token =\n", "aws_session_token is empty", id="token"),
    ],
)
def test_file_that_names_no_usable_callers_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigurationError) as refused:
        read_callers(path)

    assert str(refused.value).startswith(f"{path}: ")
    assert words in str(refused.value)
    assert SECRET not in f"{refused.value!r} {refused.value.__cause__!r}"
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o666])
def test_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, PROFILE, mode)

    with pytest.raises(ConfigurationError, match=rf"\(mode {mode:04o}\); chmod 600 {path}"):
        read_callers(path)


def test_group_may_read_what_root_owns_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path, PROFILE, 0o640)
    owned, by_root = (os.stat_result((0o100640, 0, 0, 1, uid, 0, 0, 0, 0, 0)) for uid in (1000, 0))

    callers_file.refuse_onlookers(by_root, path)

    with pytest.raises(ConfigurationError, match="mode 0640"):
        callers_file.refuse_onlookers(owned, path)


def test_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    binary = write(tmp_path, "")
    binary.write_bytes(b"[ci]\n\xff")

    with pytest.raises(ConfigurationError, match="not UTF-8 text"):
        read_callers(binary)
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_callers(tmp_path / "absent")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_callers(tmp_path)


def test_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers_file, "FILE_BYTES_MAX", 10)

    with pytest.raises(ConfigurationError, match="larger than 10 bytes"):
        read_callers(write(tmp_path, PROFILE))
