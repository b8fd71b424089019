# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of tests that install an operating system with the role unattended_install."""

from __future__ import annotations

import json


def write_play(folder, given):
    """Write a playbook that runs the role with these variables, and shows what it found; returns its path."""
    role = {"name": "polyvirt.core.unattended_install", "tasks_from": "install"}
    shown = {"msg": "found {{ unattended_install_result.found }}"}
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {f"unattended_install_{name}": value for name, value in given.items()},
            "tasks": [{"ansible.builtin.include_role": role}, {"ansible.builtin.debug": shown}],
        }
    ]
    path = folder / "play.yml"
    path.write_text(json.dumps(play), encoding="utf-8")
    return path
