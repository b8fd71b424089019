# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""README and the guides on CI and AWX show a requirements.yml with a range: this version, and no other major one."""

from __future__ import annotations

import re

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from collection_path import CHECKOUT

_BLOCK = re.compile(r"^```yaml\n# (?:collections/)?requirements\.yml\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _collections(path):
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        (block,) = _BLOCK.findall(text)
        return yaml.safe_load(block)["collections"]
    return yaml.safe_load(text)["dependencies"]["galaxy"]["collections"]


@pytest.mark.parametrize("path", ["README.md", "docs/ci.md", "docs/awx.md", "extensions/awx/execution-environment.yml"])
def test_range_has_this_version_and_not_the_next_major_one(path):
    (one,) = _collections(path)
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    major = int(version.split(".")[0])
    admitted = SpecifierSet(one["version"])
    assert one["name"] == "polyvirt.core"
    assert (version in admitted, f"{major}.99.0" in admitted, f"{major + 1}.0.0" in admitted) == (True, True, False)
