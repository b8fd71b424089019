# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Described VMs as YAML: what Ansible reads again is what was written, whatever the texts of a VM contain."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

import yaml
from ansible.errors import AnsibleFilterError

from ...module_utils._core.texts import is_harmless

_WIDTH = 100
#: Texts that every version of YAML reads as this text.
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*( [\w./-]+)*|\d+[KMGTP]", re.ASCII)
_TEXT = "tag:yaml.org,2002:str"
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"))


class _Dumper(yaml.SafeDumper):
    """Quotes texts that another reader could take for something else. No text is a template."""

    def increase_indent(self, flow=False, indentless=False):
        """Indent the entries of lists, as most playbooks do."""
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data):
        return True


def _text(dumper, value):
    # Newer versions of Ansible read !unsafe "~" as null, though it is quoted. No such text is a template.
    is_text = dumper.resolve(yaml.ScalarNode, value, (True, False)) == _TEXT
    tag = "!unsafe" if is_text and not is_harmless(value) else _TEXT
    is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    # Where YAML does not allow a block, PyYAML writes quotes.
    return dumper.represent_scalar(tag, value, style=None if is_plain else "|" if "\n" in value else '"')


_Dumper.add_representer(str, _text)


def yaml_text(value):
    """Return a value as YAML. Texts that are no plain words are quoted; those that can be templates are !unsafe."""
    return yaml.dump(_bare(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 16)


def _bare(value):
    """Return a value of plain types: Ansible marks texts by types of its own."""
    if isinstance(value, Mapping):
        return {_bare(key): _bare(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bare(one) for one in value]
    return str.__str__(value) if isinstance(value, str) else value


def tasks_of(vms):
    """Return the described VMs as the tasks of a playbook: a result of an info module, its ``vms``, or one of them."""
    found = vms.get("vms", [vms]) if isinstance(vms, Mapping) else vms
    if not isinstance(found, (list, tuple)) or not all(isinstance(vm, Mapping) and "task" in vm for vm in found):
        raise AnsibleFilterError("to_task: this is no VM with a task. Set describe: true in the info module.")
    return "\n".join(_task_of(vm) for vm in found if vm["task"] is not None)


def _task_of(vm):
    task = {"name": f"Keep {vm['name']} as it is", "polyvirt.core.vm": vm["task"]}
    return f"{''.join(_comments(vm['not_described']))}{yaml_text([task])}"


def _comments(omitted):
    defaults = [one["path"] for one in omitted if one["kind"] == "default"]
    others = [one for one in omitted if one["kind"] != "default"]
    lines = [f"Default values, which are not compared: {', '.join(defaults)}."] if defaults else []
    lines += [f"{one['path']}: {one['reason']}{_variable(one)}" for one in others]
    for line in lines:
        yield textwrap.fill(
            " ".join(line.split()), _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
        )
        yield "\n"


def _variable(one):
    return f" Variable: {one['variable']}." if one["variable"] else ""
