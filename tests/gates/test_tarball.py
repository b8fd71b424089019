# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is only of use in a checkout is not published."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest
import yaml

from collection_path import CHECKOUT


@pytest.mark.parametrize(
    ("folder", "published"),
    [
        ("tests", {"tests/config.yml"}),
        ("extensions", {"extensions/audit", "extensions/patterns", "extensions/simulators"}),
    ],
)
def test_tests_and_molecule_scenarios_are_not_published(folder, published):
    ignored = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    paths = {path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).iterdir()}
    left = {path for path in paths if not any(fnmatch(text, one) for text in (path, path.name) for one in ignored)}
    assert {path.as_posix() for path in left} == published
