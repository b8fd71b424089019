# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the tests of today find the modules of an earlier product, which had them elsewhere (moved.yaml)."""

from __future__ import annotations

from pathlib import Path

import yaml

_MOVED = Path(__file__).resolve().parent / "moved.yaml"
_PACKAGE = "ansible_collections.polyvirt.core.plugins.module_utils"
#: A module that stands for another one: tests that replace its functions replace those of the other.
_ALIAS = """\
import importlib, sys
sys.modules[__name__] = importlib.import_module("{package}.{old}")
"""
_ADDED = """
import importlib as _importlib
for _name, _value in vars(_importlib.import_module("{package}.{old}")).items():
    globals().setdefault(_name, _value)
"""
#: What values were before they had a base of their own.
_FROZEN = """
import dataclasses
from dataclasses import replace


def fields(values):
    return tuple(field.name for field in dataclasses.fields(values))
"""
#: A module whose name is that of a directory now.
_WITH_PLACE = """
__path__ = [__file__[:-len(".py")]]
"""


def place_moved(tree):
    """Add the modules of today to a tree with an earlier product."""
    utils = Path(tree) / "plugins" / "module_utils"
    for new, known in yaml.safe_load(_MOVED.read_text(encoding="utf-8")).items():
        olds = [old for old in known if (utils / f"{old}.py").is_file()]
        path = utils / f"{new}.py"
        if olds and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_ALIAS.format(package=_PACKAGE, old=_dotted(olds.pop(0))), encoding="utf-8")
        for old in olds:
            _add(path, _ADDED.format(package=_PACKAGE, old=_dotted(old)))
    frozen = utils / "_core" / "frozen.py"
    if not frozen.is_file():
        frozen.write_text(_FROZEN, encoding="utf-8")
    for path in utils.rglob("*.py"):
        if path.with_suffix("").is_dir():
            _add(path, _WITH_PLACE)


def _dotted(path):
    return path.replace("/", ".")


def _add(path, code):
    path.write_text(path.read_text(encoding="utf-8") + code, encoding="utf-8")
