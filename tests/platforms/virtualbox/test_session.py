# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real VirtualBox still prints the recorded output, with which the double is compared, too."""

from __future__ import annotations

import pytest

from platforms.virtualbox.session import transcript
from unit.module_utils._tools.vbox_recordings import recorded

RECORDED = "7.2.22"


@pytest.mark.deep("the double is held to the same recording in each run (unit tests), and neither changes on its own")
def test_session_equals_the_recording(box):
    version = box.run("--version").strip()
    if not version.startswith(RECORDED):
        pytest.skip(f"the recording is of {RECORDED}, and this is {version}: record it again (session.py)")
    assert transcript(box.call, box.machines) == recorded("session-transcript")
