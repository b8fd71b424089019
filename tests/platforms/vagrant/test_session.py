# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Vagrant still prints the recorded output."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from platforms.vagrant import real, session
from unit.module_utils._tools.vagrant_recordings import session_transcript

RECORDED = "2.3.4"


@pytest.mark.deep("the double is held to the same recording in each run (unit tests); this takes minutes")
def test_session_equals_the_recording(box, tmp_path):
    with real.Vagrant(tmp_path, "pvv-session", box) as found:
        version = found.call("--version").stdout
        if RECORDED not in version:
            pytest.skip(f"the recording is of {RECORDED}, and this is {version.strip()}: record it again (session.py)")
        found.write(vagrantfile.render(session.PROJECT))
        assert session.transcript(found.call, tmp_path) == session_transcript()
