# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of code of docs/awx.md, and the files of extensions/awx, as data."""

from __future__ import annotations

import re
from textwrap import dedent

import yaml

from collection_path import CHECKOUT

FOLDER = CHECKOUT / "extensions" / "awx"
TYPES = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER / "credential_types").glob("*.yml"))
}
_FENCE = re.compile(r"^( *)```(?:yaml|sh)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def block(words):
    """The only block of code in docs/awx.md with these words, as text."""
    text = (CHECKOUT / "docs/awx.md").read_text(encoding="utf-8")
    (found,) = [code for _indent, fenced in _FENCE.findall(text) if words in (code := dedent(fenced))]
    return found


def data(words):
    """The only block with these words, read as YAML."""
    return yaml.safe_load(block(words))
