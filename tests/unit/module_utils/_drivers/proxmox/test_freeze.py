# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the log of vzdump shows that a guest was frozen. What is not known is not frozen."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.backups import NO_AGENT, freeze_problem

BEGIN, FREEZE, THAW, END = (
    "INFO: creating vzdump archive '/srv/dump/vzdump-qemu-100-2026_01_31-02_00_00.vma.zst'",
    "INFO: issuing guest-agent 'fs-freeze' command",
    "INFO: issuing guest-agent 'fs-thaw' command",
    "INFO: started backup task '5c4d'",
)
UNKNOWN = "the log of vzdump does not show it"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([BEGIN, FREEZE, THAW, END], ""),
        ([BEGIN, FREEZE, "INFO: enabling encryption", THAW, END], ""),
        # An error elsewhere says nothing about the freeze.
        ([BEGIN, FREEZE, THAW, END, "ERROR: 2023 certificates"], ""),
        (
            [FREEZE, "ERROR: VM 100 qmp command 'guest-fsfreeze-freeze' failed - got timeout", THAW, END],
            "VM 100 qmp command 'guest-fsfreeze-freeze' failed - got timeout",
        ),
        # Texts that no version is known to write.
        ([FREEZE, "ERROR: the guest did not answer", THAW, END], "the guest did not answer"),
        ([FREEZE, "WARN: the guest did not answer", THAW, END], "the guest did not answer"),
        ([FREEZE, "freezing failed", THAW, END], "freezing failed"),
        ([FREEZE, THAW, "ERROR: VM 100 qmp command 'guest-fsfreeze-thaw' failed", END],
         "VM 100 qmp command 'guest-fsfreeze-thaw' failed"),
        ([BEGIN, FREEZE, END], UNKNOWN),
        ([BEGIN, THAW, END], UNKNOWN),
        # A paused VM is not frozen, and the log says nothing about it.
        ([BEGIN, END], UNKNOWN),
        (["INFO: skipping guest-agent 'fs-freeze', disabled in VM options", END], "disabled in VM options"),
    ],
)  # fmt: skip
def test_frozen_only_if_the_log_shows_it(lines, problem):
    assert freeze_problem(lines, has_agent=True) == problem


def test_vm_without_an_agent():
    assert freeze_problem([BEGIN, END], has_agent=False) == NO_AGENT
