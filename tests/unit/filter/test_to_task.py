# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Described VMs as YAML are read again by Ansible as they were, without templates."""

from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.polyvirt.core.plugins.filter.to_task import FilterModule
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.task_yaml import yaml_text
from hypothesis import given
from hypothesis import strategies as st

to_task = FilterModule().filters()["to_task"]
TEXTS = [
    "yes", "No", "on", "y", "null", "~", "", "1e3", "012", "0x1F", "1_000", "3.0", ".inf", "12:30:45", "2026-01-01",
    "<<", "=", "- a", "a: b", "a #b", "#b", "@x", "%x", "*a", "&a", "!a", "{a", "[a", "'", '"', "\\n", "a\nb", "a\nb\n",
    " a\nb", "a \nb", "\ta", "a\t\nb", "\u0085", "\u2028", "\x7f", "\ud7ff", "\U0001f600", "{{ x }}", "{% x %}",
    "{# x #}", "a {{ x", "{{ lookup('pipe', 'id') }}\nb", "2G", "web1", "C:\\Images\\a.vhdx", "SCSI 0:0", "SATA 0",
    "yes\n", "2026-01-01\t12:00:00", "#jinja2: variable_start_string:'<<', variable_end_string:'>>'\n<< x >>",
]  # fmt: skip


def read(text):
    """What Ansible takes from YAML: loaded, and with its templates resolved."""
    loader = DataLoader()
    return Templar(loader).template(loader.load(text))


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_read_as_it_was(text):
    value = {"key": text, "list": [text, {text or "empty": text}]}
    assert read(yaml_text({"key": text})) == {"key": text}
    assert yaml.load(yaml_text(value).replace("!unsafe", ""), Loader=yaml.SafeLoader) == value


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\x00")))
def test_any_text_is_read_as_it_was(text):
    assert read(yaml_text([text])) == [text]


def test_other_values_keep_their_type():
    value = {"cpus": 2, "on": True, "none": None, "list": [], "nested": {"a": [{"b": False}]}}
    assert read(yaml_text(value)) == value


@pytest.mark.parametrize(("text", "written"), [("1e3", '"1e3"'), ("2G", "2G"), ("yes", '"yes"'), ("web1", "web1")])
def test_only_plain_words_are_not_quoted(text, written):
    assert yaml_text({"a": text}) == f"a: {written}\n"


VM = {
    "name": "web1",
    "task": {"platform": "libvirt", "name": "web1", "cpus": 2, "description": "{{ x }}", "disks": [{"slot": "vda"}]},
    "not_described": [
        {"path": "tags", "kind": "default", "reason": "It has the default value.", "variable": None},
        {"path": "fleet", "kind": "default", "reason": "It has the default value.", "variable": None},
        {"path": "networks.0.mac", "kind": "identity", "reason": "It is chosen.\nTwice.", "variable": None},
        {"path": "cloud_init.password", "kind": "secret", "reason": "It is a secret.", "variable": "web1_password"},
    ],
}
WRITTEN = """\
# Default values, which are not compared: tags, fleet.
# networks.0.mac: It is chosen. Twice.
# cloud_init.password: It is a secret. Variable: web1_password.
- name: Keep web1 as it is
  polyvirt.core.vm:
    platform: libvirt
    name: web1
    cpus: 2
    description: !unsafe "{{ x }}"
    disks:
      - slot: vda
"""


@pytest.mark.parametrize("value", [VM, [VM], {"vms": [VM], "host": {}}])
def test_described_vm_is_a_task(value):
    assert to_task(value) == WRITTEN
    assert read(to_task(value)) == [{"name": "Keep web1 as it is", "polyvirt.core.vm": VM["task"]}]


def test_vms_that_do_not_exist_are_omitted():
    absent = {"name": "a", "task": None, "not_described": []}
    assert to_task([absent, VM, VM]) == f"{WRITTEN}\n{WRITTEN}"
    assert to_task([absent]) == ""


@pytest.mark.parametrize("value", ["web1", [{"name": "web1"}], {"vms": "x"}, {"name": "web1"}])
def test_vms_without_tasks_are_an_error(value):
    with pytest.raises(AnsibleFilterError, match="describe: true"):
        to_task(value)
