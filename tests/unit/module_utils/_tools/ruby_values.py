# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that a task may contain: generated ones, the same in each run, and strings with a meaning in Ruby."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

#: Each would write a file called polyvirt_was_here if Ruby executed it, or would end the string that contains it.
_PLANT = "File.write('polyvirt_was_here', '')"
HOSTILE = (
    f'"; {_PLANT}; "',
    f"'; {_PLANT}; '",
    f"#{{{_PLANT}}}",
    f'#{{"#{{{_PLANT}}}"}}',
    f"\\#{{{_PLANT}}}",
    f"\\\\#{{{_PLANT}}}",
    f'\\"; {_PLANT} #',
    f"\n{_PLANT}\n",
    f"\r\n{_PLANT}\r\n",
    f"\n=end\n{_PLANT}\n=begin\n",
    f"\0{_PLANT}\x1a\x04",
    f"`touch polyvirt_was_here`\n#`touch polyvirt_was_here`{_PLANT}",
    f"\u2028{_PLANT}\u0085{_PLANT}\ufeff",
    f"%q({_PLANT}) <<EOF\n{_PLANT}\nEOF\n",
    "#$0 #@a #@@b #$$",
    "\n__END__\n",
    "\\",
    '\\"',
    "\\u0022\\x22\\042\\e\\M-a\\c",
    "?\\C-a :symbol %w(a b)",
)

_BITS = ('"', "'", "\\", "#{", "}", "#$x", "#@y", "\n", "\r\n", "\0", "`", "%!(VAGRANT_COMMA)", "é", "€", "𝄞", "\u202e")
TEXT = some.one_of(
    some.text(some.characters(exclude_categories=["Cs"]), max_size=30),
    some.lists(some.one_of(some.sampled_from(_BITS), some.sampled_from(HOSTILE)), max_size=6).map("".join),
)
_PLAIN = some.one_of(
    TEXT, some.integers(), some.floats(allow_nan=False, allow_infinity=False), some.booleans(), some.none()
)
_NESTED = some.recursive(
    _PLAIN,
    lambda inner: some.one_of(some.lists(inner, max_size=4), some.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=6,
)
# Nested values take three times as long to generate.
VALUES = some.one_of(_PLAIN, _PLAIN, _PLAIN, _NESTED)


def generated(strategy, count):
    """``count`` values of a strategy, the same in each run."""
    found = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found


def generated_values(count):
    return generated(VALUES, count)


def require_ruby():
    """Skip the test if Ruby is not installed."""
    if shutil.which("ruby") is None:
        pytest.skip("not available: ruby is missing: apt-get install ruby")
