# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..plugin_utils.tasks.bytecode import bytecode

with bytecode():
    from ..modules.backup_run import MODULE
    from ..modules.vm_backup import MODULE as VM_BACKUP
    from ..modules.vm_info import MODULE as VM_INFO
    from ..plugin_utils.backups.run import BackupRun


class ActionModule(BackupRun):
    module = MODULE
    own = frozenset(VM_INFO.options)
    of_backup = frozenset(VM_BACKUP.options)
