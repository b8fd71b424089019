# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode cannot foresee: each entry of a guide is in the documentation of the module, with its reason."""

from __future__ import annotations

import pytest

from lib.unforeseen import unforeseen_lines

TABLE = """\
## Before

| error | why |
|---|---|
| other | table |

### What check mode cannot foresee

Text.

| error | why it cannot be foreseen | what remains |
|---|---|---|
| no room: `a` | files grow | nothing |
| role: it fails | {} | nothing |

## After
"""


def guide(folder, reason):
    (folder / "docs").mkdir()
    (folder / "docs/wsl.md").write_text(TABLE.format(reason), encoding="utf-8")
    return folder


def test_entries_of_the_module_have_a_reason(tmp_path):
    assert unforeseen_lines(guide(tmp_path, "late"), "wsl_distro") == ["      - 'no room: C(a) - files grow.'"]


def test_entry_without_a_reason_is_rejected(tmp_path):
    with pytest.raises(ValueError, match=r"docs/wsl.md: no reason .*: role: it fails"):
        unforeseen_lines(guide(tmp_path, ""), "wsl_distro")
