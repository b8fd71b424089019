# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All mutations; they are written down by area in the files beside this one."""

from __future__ import annotations

from mutations import (
    lines_acting,
    lines_approvals,
    lines_arrange,
    lines_claims,
    lines_events,
    lines_guests,
    lines_hyperv,
    lines_images,
    lines_machines,
    lines_needed,
    lines_outcomes,
    lines_planner,
    lines_proxmox,
    lines_reports,
    lines_roles,
    lines_seeds,
    lines_tools,
    lines_vagrant,
    lines_vbox,
    lines_virsh,
    lines_vmm,
    lines_wsl,
)

MUTATIONS = (
    *lines_machines.MUTATIONS,
    *lines_planner.MUTATIONS,
    *lines_acting.MUTATIONS,
    *lines_guests.MUTATIONS,
    *lines_claims.MUTATIONS,
    *lines_arrange.MUTATIONS,
    *lines_needed.MUTATIONS,
    *lines_virsh.MUTATIONS,
    *lines_vbox.MUTATIONS,
    *lines_vagrant.MUTATIONS,
    *lines_proxmox.MUTATIONS,
    *lines_vmm.MUTATIONS,
    *lines_wsl.MUTATIONS,
    *lines_hyperv.MUTATIONS,
    *lines_tools.MUTATIONS,
    *lines_reports.MUTATIONS,
    *lines_roles.MUTATIONS,
    *lines_images.MUTATIONS,
    *lines_seeds.MUTATIONS,
    *lines_approvals.MUTATIONS,
    *lines_events.MUTATIONS,
    *lines_outcomes.MUTATIONS,
)
