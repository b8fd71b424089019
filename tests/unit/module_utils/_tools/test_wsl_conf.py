# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wsl.conf is parsed as WSL does, and an edit leaves all other bytes unchanged."""

from __future__ import annotations

import random

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools.wsl_conf import boolean, edit, parse

from platforms.wsl.double.conf import read_conf
from suite.belts import is_deep, seed

_FULL, _DEEP = 600, 10_000
_SECTIONS = ("boot", "Boot", "user", "network", "automount", "interop", "x1")
_KEYS = ("systemd", "SYSTEMD", "default", "command", "hostname", "enabled", "k2")
_PIECES = (
    "true",
    "0",
    "a",
    " ",
    "\t",
    "#",
    '"',
    "\\n",
    "\\\\",
    '\\"',
    "\\t",
    "\\q",
    "\\\n",
    ";",
    "=",
    "[",
    "ü",
    "C:\\x",
)
_ENDS = ("\n", "\n", "\n", "\r\n", "\r", " \n", "\t\r\n", "")
_VALUES = ("true", "anna", "a # b", ' "x" ', "C:\\Users", "a\nb\tc", "", "  ", 'say "hi"', "#", "\\", "ü 漢")
_NAMES = ("boot.systemd", "user.default", "network.hostname", "automount.enabled", "interop.appendWindowsPath")


def _blanks(chance):
    return chance.choice(("", "", "", " ", "\t", "   "))


def _line(chance):
    kind = chance.random()
    if kind < 0.25:
        inner = chance.choice(_SECTIONS)
        wrong = chance.choice(("", "", "", " ", "!", "]"))
        return f"{_blanks(chance)}[{inner}{wrong}]{_blanks(chance)}{chance.choice(('', '', '# c', 'x'))}"
    if kind < 0.4:
        return chance.choice(("", "  ", "# comment \\", "#[boot]", ";no comment", "[", "[1]", "word", "= 1", "9a=1"))
    value = "".join(chance.choice(_PIECES) for _piece in range(chance.randrange(6)))
    value = f'"{value}"' if chance.random() < 0.2 else value
    comment = chance.choice(("", "", " # c", "#"))
    return f"{_blanks(chance)}{chance.choice(_KEYS)}{_blanks(chance)}={_blanks(chance)}{value}{comment}"


def _text(chance):
    return "".join(_line(chance) + chance.choice(_ENDS) for _number in range(chance.randrange(12)))


def _as_text(value):
    """The text that WSL reads: the file has one character for each byte of it."""
    return value and value.encode("latin-1").decode("utf-8", "replace")


def _others(text, names):
    return {name: value for name, value in read_conf(text).items() if name not in names}


def test_generated_files_are_parsed_and_edited(request):
    chance = random.Random(seed())
    for number in range(_DEEP if is_deep(request.config) else _FULL):
        text = _text(chance)
        assert parse(text) == {name: _as_text(value) for name, value in read_conf(text).items()}, (number, text)
        names = chance.sample(_NAMES, chance.randrange(1, 3))
        values = {name: chance.choice((*_VALUES, None)) for name in names}
        edited = edit(text, values)
        found = read_conf(edited)
        for name, value in values.items():
            assert _as_text(found.get(name.lower())) == value, (number, text, values, edited)
        lowered = {name.lower() for name in names}
        assert _others(edited, lowered) == _others(text, lowered), (number, text, values, edited)
        assert edit(edited, values) == edited, (number, text, values)
        if None not in values.values() and not lowered & set(read_conf(text)):
            _check_nothing_removed(text, edited)


def _check_nothing_removed(text, edited):
    """The text is only inserted into, nothing of it is removed."""
    assert _is_subsequence(text, edited)


def _is_subsequence(text, longer):
    left = iter(longer)
    return all(character in left for character in text)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("", {"boot.systemd": "true"}, "[boot]\nsystemd=true\n"),
        ("[boot]\n", {"boot.systemd": "true"}, "[boot]\nsystemd=true\n"),
        ("[boot] # c", {"boot.systemd": "true"}, "[boot] # c\nsystemd=true\n"),
        ("[BOOT]\r\n", {"boot.systemd": "true"}, "[BOOT]\r\nsystemd=true\r\n"),
        ("[boot]\nSystemd  =  false  # mine\n", {"boot.systemd": "true"}, "[boot]\nSystemd  =  true  # mine\n"),
        ("[boot]\nsystemd=\n", {"boot.systemd": "true"}, "[boot]\nsystemd=true\n"),
        ("[boot]\nsystemd=1\nsystemd=0\n", {"boot.systemd": "0"}, "[boot]\nsystemd=0\nsystemd=0\n"),
        ("[boot]\nsystemd=1 # c\nx=1\n", {"boot.systemd": None}, "[boot]\n # c\nx=1\n"),
        ("[boot]\n  systemd=1\nx=1\n", {"boot.systemd": None}, "[boot]\nx=1\n"),
        ("[boot]\nsystemd=1\nsystemd=0\n", {"boot.systemd": None}, "[boot]\n"),
        ("k = a\\", {"boot.systemd": "1"}, "k = a\\\r\n[boot]\nsystemd=1\n"),
        ("k = a\\\n", {"boot.systemd": "1"}, "k = a\\\n\n[boot]\nsystemd=1\n"),
        ("[network]\n", {"network.hostname": " a#b "}, '[network]\nhostname=" a#b "\n'),
    ],
)
def test_edited_file(text, values, expected):
    assert edit(text, values) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("TRUE", True), ("1", True), ("False", False), ("0", False), ("yes", None), ("", None)]
)
def test_booleans(value, expected):
    assert boolean(value) is expected
