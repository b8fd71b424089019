# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sanity test ``import`` compiles each file once, and sees each error of a file as often as without this."""

from __future__ import annotations

import builtins
import warnings

import pytest

from compile_once import compiled_once


@pytest.fixture(name="calls")
def _calls():
    return []


@pytest.fixture(name="once")
def _once(calls):
    def compile_code(*words, **named):
        calls.append(words[:2])
        return builtins.compile(*words, **named)

    return compiled_once(compile_code)


def test_a_file_is_compiled_once_and_another_source_or_place_again(once, calls):
    read = {"dont_inherit": True}
    first = once("a = 1", "a.py", "exec", flags=0, **read)
    assert once(source="a = 1", filename="a.py", mode="exec", flags=0, **read) is first
    once("a = 2", "a.py", "exec", **read)
    once("a = 1", "b.py", "exec", **read)
    assert calls == [("a = 1", "a.py"), ("a = 2", "a.py"), ("a = 1", "b.py")]


def test_an_error_and_a_warning_are_raised_each_time(once):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in ("a =", "a is 1"):
            for _time in range(2):
                with pytest.raises(SyntaxError):
                    once(source, "a.py", "exec", dont_inherit=True)


def test_code_that_depends_on_its_caller_is_compiled_each_time(once, calls):
    for _time in range(2):
        once("a = 1", "a.py", "exec")
        once("a = 1", "a.py", "exec", 0, True, 2)
    assert len(calls) == 4
    assert "compile_code" not in repr(builtins.compile), "this process is not changed"
