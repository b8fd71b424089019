# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sanity test ``import`` compiles each file once, and sees each error of a file as often as without this."""

from __future__ import annotations

import builtins
import warnings

import pytest

from suite.compile_once import compiled_once


def test_each_file_is_compiled_once_and_its_errors_are_raised_each_time():
    calls = []
    once = compiled_once(lambda *words: calls.append(words[:2]) or builtins.compile(*words))
    first = once("a = 1", "a.py", "exec", flags=0, dont_inherit=True)
    assert once(source="a = 1", filename="a.py", mode="exec", dont_inherit=True) is first
    for source, file in (("a = 2", "a.py"), ("a = 1", "b.py")):
        once(source, file, "exec", dont_inherit=True)
    assert calls == [("a = 1", "a.py"), ("a = 2", "a.py"), ("a = 1", "b.py")]
    # Code that depends on its caller is compiled each time.
    assert once("a = 1", "a.py", "exec") is not first
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in ("a =", "a =", "a is 1", "a is 1"):
            with pytest.raises(SyntaxError):
                once(source, "a.py", "exec", dont_inherit=True)
