# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules are shipped without the files that only other modules need, and load only what each task needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from gates.shipped import PLATFORMS, PLUGINS, loaded_with, module_of, shipped_with

#: {platform, or shared: {reason: files}}
_LOADED = yaml.safe_load(Path(__file__).with_name("loaded.yml").read_text(encoding="utf-8"))

#: Of a driver: what only the modules that act need.
_ACTING = {"driver.py", "guards.py", "create.py", "clone.py", "configure.py", "delete.py", "power.py"}


def _driver_files(module):
    return {path.split("/")[-1] for path in shipped_with(module) if "/_drivers/" in path}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_info_modules_only_read(platform):
    assert _driver_files(module_of(platform, "info")) & _ACTING == set()


@pytest.mark.parametrize("platform", PLATFORMS)
def test_vm_modules_have_all_verbs(platform):
    assert _driver_files(module_of(platform, "vm")) >= {"driver.py", "guards.py", "create.py", "configure.py"}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_task_without_changes_loads_only_what_has_a_reason(platform):
    loaded = {path for path in loaded_with(module_of(platform, "vm")) if path.startswith("module_utils/")}
    listed = [name for part in ("shared", platform) for files in _LOADED[part].values() for name in files.split()]
    assert sorted(loaded) == sorted(f"module_utils/{name}.py" for name in listed)


@pytest.mark.parametrize("room", ["module_utils", "plugin_utils"])
def test_values_share_their_methods(room):
    """A dataclass takes 1 ms at each import, and ``replace`` of dataclasses rejects values of ``_core/frozen.py``."""
    imported = re.compile(r"^\s*(from|import) dataclasses", re.MULTILINE)
    texts = {path.name: path.read_text(encoding="utf-8") for path in (PLUGINS / room).rglob("*.py")}
    assert [name for name, text in texts.items() if imported.search(text)] == []


def test_what_each_task_loads_compiles_no_pattern_when_it_is_imported():
    """A pattern takes up to 8 ms, and a task uses few: ``_core/pattern.py`` compiles it when it is first used."""
    loaded = {name for part in _LOADED.values() for files in part.values() for name in files.split()}
    texts = {name: (PLUGINS / f"module_utils/{name}.py").read_text(encoding="utf-8") for name in loaded}
    assert [name for name, text in texts.items() if "re.compile(" in text] == ["_core/pattern"]
