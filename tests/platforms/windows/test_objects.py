# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns of PowerShell, as its documentation (about_Wildcards) and its source describe them."""

from __future__ import annotations

import pytest

from platforms.windows.objects import has_wildcards, like


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("web", ["web", "WEB"], ["web1", "we"]),
        ("web*", ["web", "web\n1"], ["we"]),
        ("w?b", ["web", "w?b"], ["wb", "weeb"]),
        ("[a-c]x", ["ax", "Bx"], ["dx", "-x", "[a-c]x"]),
        ("[ac-]x", ["ax", "-x"], ["bx"]),
        ("[^a]x", ["ax", "^x"], ["bx"]),
        ("[!a]x", ["ax", "!x"], ["bx"]),
        ("[]a]x", ["]x", "ax"], ["x"]),
        ("[`]]x", ["]x"], ["`x"]),
        ("[\\d]", ["d", "\\"], ["1"]),
        ("a]", ["a]"], ["a"]),
        ("`[x`]`*`?", ["[x]*?"], ["x", "[x]ab"]),
        ("``", ["`"], ["``"]),
        ("a`", ["a`"], ["a"]),
        ("a.b+(c)$", ["a.b+(c)$"], ["axb+(c)$"]),
    ],
)
def test_pattern(pattern, fitting, others):
    assert [text for text in [*fitting, *others] if like(text, pattern)] == fitting


@pytest.mark.parametrize("pattern", ["[", "a[b", "[]"])
def test_pattern_that_powershell_rejects(pattern):
    with pytest.raises(ValueError, match="not valid"):
        like("a", pattern)


def test_what_counts_as_a_pattern():
    assert [text for text in ("a", "a*", "a?", "[a]", "a]", "`*", "`[a`]", "a`") if has_wildcards(text)] == [
        "a*",
        "a?",
        "[a]",
        "a]",
    ]
