# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..plugin_utils.tasks.bytecode import bytecode

with bytecode():
    from ..plugin_utils.described.run import DescribeVms


class ActionModule(DescribeVms):
    pass
