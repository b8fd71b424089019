# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as YAML that Ansible reads as the same values. Pure."""

from __future__ import annotations

import re

import yaml

#: Beginnings of templates. Ansible would replace them.
_TEMPLATE = re.compile(r"\{[{%#]")


class _Dumper(yaml.SafeDumper):
    """Indents lists, as yamllint wants it, and repeats what is the same."""

    def ignore_aliases(self, data):
        return True

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def _represent_text(dumper, text):
    tag = "!unsafe" if _TEMPLATE.search(text) else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, str.__str__(text), style='"' if "\n" in text or tag == "!unsafe" else None)


_Dumper.add_representer(str, _represent_text)
# Ansible has types of its own for texts of its files.
_Dumper.add_multi_representer(str, _represent_text)


def yaml_text(value):
    """Return a value as YAML. Text with the beginning of a template is marked as ``!unsafe``, so it is not replaced."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
