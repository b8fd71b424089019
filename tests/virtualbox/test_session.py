# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real VirtualBox still says what was recorded of it; the double is held to the same recording."""

from __future__ import annotations

from unit.module_utils._tools.vbox_recordings import recorded
from virtualbox.session import transcript


def test_the_recording_is_true(box):
    version = box.run("--version")
    said = transcript(box.call, box.machines)
    assert said == recorded("session-transcript"), f"recorded of 7.2.22, this is {version}"
