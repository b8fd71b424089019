# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The option that every module that changes something has (the argument spec ``call_timeout``)."""

    DOCUMENTATION = r"""
options:
  call_timeout:
    description:
      - Timeout in seconds of one call to the platform (a command, a task of a cluster). After that, the task reads the
        state of the VM again, and if the VM is not as requested, the error names the call.
      - If omitted, the environment variable E(POLYVIRT_CALL_TIMEOUT), else 3600.
    type: int
"""
