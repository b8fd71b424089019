# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short functions, short files, a licence on each, and one single place that knows of check mode."""

from __future__ import annotations

import pytest

from collection_path import CHECKOUT
from gates import shape

FILES = shape.files_of(CHECKOUT)
PYTHON = [name for name in FILES if name.endswith(".py")]
TEXTS = [name for name in FILES if not name.endswith((".png", ".qcow2", ".iso", ".gz"))]


def _text(name):
    return (CHECKOUT / name).read_text(encoding="utf-8", errors="replace")


def test_there_are_files_to_look_at():
    assert "tests/gates/shape.py" in PYTHON


@pytest.mark.parametrize("name", PYTHON)
def test_lengths(name):
    source = _text(name)
    long = {what: lines for what, lines in shape.function_lengths(source).items() if lines > shape.LONGEST_FUNCTION}
    assert long == {}, f"functions longer than {shape.LONGEST_FUNCTION} lines: split them by concern"
    assert shape.file_length(source) <= shape.LONGEST_FILE, "split the file by concern"


def test_headers():
    problems = [shape.header_problem(name, text) for name in TEXTS if shape.needs_header(name, text := _text(name))]
    assert [problem for problem in problems if problem] == []


def test_check_mode_is_read_in_one_place():
    readers = [name for name in PYTHON if name.startswith("plugins/") and shape.reads_check_mode(_text(name))]
    modules = [name for name in PYTHON if name.startswith("plugins/modules/")]
    assert len(readers) == (1 if modules else 0), f"check_mode is read in {readers}"


def test_files_about_a_platform_begin_with_its_name():
    problems = [shape.platform_problem(name, _text(name)) for name in PYTHON]
    assert [problem for problem in problems if problem] == []


@pytest.mark.parametrize(
    ("name", "is_found"),
    [
        ("_drivers/vbox/images.py", True),
        ("_drivers/vmm/images.py", False),
        ("_hosts/openbsd/network.py", True),
        ("_tools/new/read.py", True),
        ("_tools/vmctl.py", False),
        ("_hosts/course.py", False),
    ],
)
def test_a_file_that_does_not_name_its_platform_is_found(name, is_found):
    assert bool(shape.platform_problem(f"plugins/module_utils/{name}", '"""vmd: images."""\n')) == is_found
    assert not shape.platform_problem(f"plugins/module_utils/{name}", "")


def test_a_long_function_is_found():
    body = "    pass\n" * 60
    assert shape.function_lengths(f"def f():\n{body}") == {"f": 61}
    assert shape.function_lengths(f'def f():\n    """One.\n\n    Two."""\n{body}') == {"f": 61}


def test_a_long_file_is_found_and_documentation_is_not_counted():
    assert shape.file_length("x = 1\n" * 401) == 401
    assert shape.file_length('DOCUMENTATION = """\n' + "a\n" * 500 + '"""\nx = 1\n') == 1
    assert shape.file_length('TEXT = """\n' + "a\n" * 500 + '"""\n') == 502


def test_a_missing_header_is_found():
    header = "\n".join(shape.PYTHON_HEADER)
    assert shape.header_problem("a.py", "x = 1")
    assert shape.header_problem("a.py", f"'''Text.'''\n{header}")
    assert not shape.header_problem("a.py", f"#!/usr/bin/env python3\n{header}\n")
    assert shape.header_problem("a.yml", "---\na: 1")
    assert not shape.header_problem("a.yml", f"---\n{header}\n")


def test_scripts_without_an_ending_need_a_header():
    assert shape.needs_header("run", "#!/bin/sh\n")
    assert not shape.needs_header("README.md", "# Title\n")


def test_a_reader_of_check_mode_is_found():
    assert shape.reads_check_mode("if module.check_mode: pass")
    assert not shape.reads_check_mode("make(check_mode=True, supports_check_mode=True)")
