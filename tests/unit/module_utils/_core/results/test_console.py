# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a console: what a guest prints is shown, and does nothing."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Traits, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.console import (
    LONGEST_LINE,
    ConsoleLog,
    describe_console,
    last_lines,
)

TRAITS = Traits("memory", console="Connect to <name> (<id>).")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\r\ntwo\n", ["one", "two"]),
        (b"one\n\nlogin: ", ["one", "", "login: "]),
        (b" 10%\r 90%\r100%\r\n", ["100%"]),
        ("caf\u00e9 \u2603 \U0001f600".encode(), ["caf\u00e9 \u2603 \U0001f600"]),
        (b"caf\xe9 \xff", ["caf\ufffd \ufffd"]),
        (b"a\tb\x00\x07\x08\x7fc", ["a\tbc"]),
        (b"\x1b[2J\x1b[1;31mred\x1b[0m \x1b[?25l\x1b[38;2;1;2;3mx\x1b[K", ["red x"]),
        (b"\x1b]0;title\x07a\x1b]52;c;Zm9v\x1b\\b\x1bPq#0\x1b\\c", ["abc"]),
        (b"\x1b(B\x1b)0a\x1b=\x1b>b\x1bcc\x1b7\x1b8\x1b", ["abc"]),
        ("a\u009b31mb\u202eevil\u2066\u2028c".encode(), ["a31mbevilc"]),
        (b"\x1b]0;never ends\nnext", ["", "next"]),
    ],
)
def test_lines(data, lines):
    assert last_lines(data, 1000) == lines


def test_only_the_last_lines_are_returned():
    data = b"".join(b"line %d\n" % number for number in range(9))
    assert last_lines(data, 2) == ["line 7", "line 8"]
    assert last_lines(b"ut of a longer line\nwhole\n", 9, is_cut=True) == ["whole"]
    assert last_lines(b"one long line", 9, is_cut=True) == ["one long line"]


def test_long_line_is_cut():
    (line,) = last_lines(b"x" * 5000, 1)
    assert line == "x" * LONGEST_LINE + " [5000 characters]"


@pytest.mark.parametrize(
    ("log", "described"),
    [
        (ConsoleLog("/c.log", b"a\nb\n"), ("/c.log", ["b"], None)),
        (ConsoleLog("/c.log", b""), ("/c.log", [], None)),
        (ConsoleLog("/c.log", how="No permission."), ("/c.log", None, "No permission.")),
        (ConsoleLog(), (None, None, "Connect to web (7).")),
    ],
)
def test_description_has_lines_or_how_to_get_them(log, described):
    found = describe_console(log, Vm("web", id="7"), TRAITS, 1)
    assert (found["file"], found["lines"], found["how"]) == described
