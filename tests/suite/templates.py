# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that run a program on the controller if Ansible takes them for templates."""

from __future__ import annotations

TEMPLATES = {
    "template": "{{{{ lookup('pipe', 'touch {file}') }}}}{{% raw %}}",
    "other delimiters": (
        "#jinja2: variable_start_string:'<<', variable_end_string:'>>'\n<< lookup('pipe', 'touch {file}') >>"
    ),
}
