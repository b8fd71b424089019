# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is only of use in a checkout is not published."""

from __future__ import annotations

from fnmatch import fnmatch

import yaml

from collection_path import CHECKOUT

#: Says which Pythons the sanity tests ask for.
_PUBLISHED = {"tests/config.yml"}


def test_of_the_tests_only_their_settings_are_published():
    ignored = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    names = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "tests").iterdir()}
    left = {name for name in names if not any(fnmatch(name, one) or fnmatch(name[6:], one) for one in ignored)}
    assert left == _PUBLISHED
