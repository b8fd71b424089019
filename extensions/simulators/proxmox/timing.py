# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations in seconds of the simulated time; a scenario may change each.

The values are those of the facts' section on time; no cluster was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from .storage import GIB


@dataclass
class Timing:
    statistics: float = 10.0
    listing: float = 0.005
    create: float = 1.0
    create_disk: float = 1.0
    clone_per_gib: float = 0.5
    clone_linked: float = 1.0
    destroy: float = 1.0
    template: float = 2.0
    resize: float = 0.5
    snapshot: float = 1.0
    memory_per_gib: float = 1.0
    rollback: float = 2.0
    delete_snapshot: float = 2.0
    backup_begin: float = 0.5
    backup_per_gib: float = 0.5
    restore_per_gib: float = 0.5
    migrate: float = 3.0
    start: float = 1.0
    stop: float = 0.5
    reset: float = 0.1
    pause: float = 0.1
    reboot_start: float = 1.0
    high_availability: float = 5.0
    shutdown_timeout: float = 60.0
    agent_ping: float = 3.0
    config: float = 0.2
    upload: float = 1.0
    flock: float = 10.0
    flock_create: float = 5.0
    flock_clone: float = 1.0
    refused: float = 3.0

    def memory(self, mebibytes):
        return self.memory_per_gib * mebibytes / 1024

    def copy(self, size):
        return self.clone_per_gib * size / GIB
