"""Reads the file of callers: whose signatures the service accepts.

It has the form of AWS's shared credentials file, one profile per caller, so that the same file can
be a client's ``AWS_SHARED_CREDENTIALS_FILE``. Nothing of it is ever printed but profiles' names.

Source: docs.aws.amazon.com/sdkref/latest/guide/file-format.html
"""

import configparser
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from penstock.local.bounded_read import read_at_most
from penstock.model.caller import Caller
from penstock.model.errors import ConfigurationError
from penstock.model.suggestion import suggest

FILE_BYTES_MAX = 1024 * 1024
SECRET_CHARACTERS_MIN = 16  # ours: what is shorter can be guessed from one signed request

_KEY, _SECRET, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
_ACCESS_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")  # what a credential scope can hold


def read_callers(path: Path) -> tuple[Caller, ...]:
    """Read the file.

    Raises:
        ConfigurationError: It cannot be read, others can read it, or it names no usable keys.
    """
    profiles = _parse(_load(path), path)
    callers = tuple(_read_caller(name, dict(profiles[name]), path) for name in profiles.sections())
    if not callers:
        raise ConfigurationError(
            f"{path}: no callers; each is a profile: a line [NAME], then {_KEY} = ... and"
            f" {_SECRET} = ..."
        )
    names: dict[str, str] = {}
    for caller in callers:
        other = names.setdefault(caller.access_key, caller.name)
        if other != caller.name:
            raise ConfigurationError(
                f"{path}: the profiles {other!r} and {caller.name!r} have the same {_KEY}; give"
                " each caller its own"
            )
    return callers


def _load(path: Path) -> str:
    try:
        with path.open("rb") as file:
            refuse_onlookers(os.fstat(file.fileno()), path)
            content = read_at_most(file, FILE_BYTES_MAX, str(path), "; is it the file?")
    except OSError as exc:
        raise ConfigurationError(f"{path}: cannot be read: {exc.strerror}") from exc
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise ConfigurationError(f"{path}: not UTF-8 text") from exc


def refuse_onlookers(status: os.stat_result, path: Path) -> None:
    """Refuse a file that others can read; a group may, when root owns it (a mounted secret)."""
    by_others = stat.S_IRWXO | (stat.S_IWGRP if status.st_uid == 0 else stat.S_IRWXG)
    if status.st_mode & by_others:
        raise ConfigurationError(
            f"{path}: others than its owner may read or change it (mode"
            f" {stat.S_IMODE(status.st_mode):04o}); chmod 600 {path}"
        )


def _parse(text: str, path: Path) -> configparser.RawConfigParser:
    # A profile [DEFAULT] is none of configparser's defaults for the others.
    parser = configparser.RawConfigParser(default_section="", interpolation=None)
    try:
        parser.read_string(text)
    except configparser.DuplicateSectionError as exc:
        raise ConfigurationError(f"{path}: the profile {exc.section!r} is there twice") from exc
    except configparser.DuplicateOptionError as exc:
        raise ConfigurationError(
            f"{path}: profile {exc.section!r}: {exc.option} is there twice"
        ) from exc
    except configparser.Error:  # its text quotes the line, which may be a secret
        raise ConfigurationError(
            f"{path}: not of the form of AWS's shared credentials file: lines [NAME], and below"
            " each NAME = VALUE"
        ) from None
    return parser


def _read_caller(name: str, keys: Mapping[str, str], path: Path) -> Caller:
    place = f"{path}: profile {name!r}"
    for key in keys:
        if key not in (_KEY, _SECRET, _TOKEN):
            choices = suggest(key, (_KEY, _SECRET, _TOKEN), "keys")
            raise ConfigurationError(f"{place}: unknown key {key!r}; {choices}")
    for key in (_KEY, _SECRET):
        if not keys.get(key):
            raise ConfigurationError(f"{place}: {key} is missing")
    if not _ACCESS_KEY.fullmatch(keys[_KEY]):
        raise ConfigurationError(
            f"{place}: {_KEY} is 1 to 128 letters, digits, hyphens and underscores"
        )
    if len(keys[_SECRET]) < SECRET_CHARACTERS_MIN:
        raise ConfigurationError(
            f"{place}: {_SECRET} is shorter than {SECRET_CHARACTERS_MIN} characters and could be"
            " guessed; make one with: openssl rand -hex 20"
        )
    if keys.get(_TOKEN) == "":
        raise ConfigurationError(f"{place}: {_TOKEN} is empty; remove it, or give a token")
    return Caller(name, keys[_KEY], keys[_SECRET], keys.get(_TOKEN))
