# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of VMs are no templates for Ansible, however they get there: with several versions of ansible-core."""

from __future__ import annotations

import json
import runpy
from uuid import uuid4
from xml.sax.saxutils import escape

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.task_yaml import yaml_text

from suite.by_ansible import EACH_CORE, run_ansible
from suite.event_source import PATH
from suite.templates import TEMPLATES

#: How texts of VMs get to Ansible, and what a play shows of each. The names of the files say what was executed.
DOORS = {
    "variables": "groups.all | map('extract', hostvars, 'polyvirt_description') | list",
    "composed": "groups.all | map('extract', hostvars, 'told') | list",
    "described": "described",
    "names": "groups.all | map('extract', hostvars, 'inventory_hostname') | list",
    "event": "ansible_eda.event.vm.tags",
}
DOMAIN = (
    "<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><description>{description}</description>"
    "<memory>8192</memory><os><type>hvm</type></os></domain>"
)
TEXTS = {door: [text.format(file=f"executed-{door}") for text in TEMPLATES.values()] for door in DOORS}


@pytest.fixture(scope="module", name="run", params=EACH_CORE, ids=lambda path: path.name)
def _run(request, tmp_path_factory):
    """Return a function that runs a program of Ansible where names and descriptions of VMs are templates."""
    folder = tmp_path_factory.mktemp("texts")
    # libvirt permits no line feed in a name.
    vms = {"web": TEXTS["variables"][0], TEXTS["names"][0]: TEXTS["variables"][1]}
    domains = [DOMAIN.format(name=escape(name), uuid=uuid4(), description=escape(text)) for name, text in vms.items()]
    (folder / "host.xml").write_text(f"<node>{''.join(domains)}</node>", encoding="utf-8")
    source = {"platform": "libvirt", "options": {"uri": f"test://{folder}/host.xml"}, "required": True}
    described = {"plugin": "polyvirt.core.vms", "sources": [source], "compose": {"told": "polyvirt_description"}}
    (folder / "site.polyvirt.yml").write_text(yaml.safe_dump(described), encoding="utf-8")

    def run(program, *words):
        environment = {"ANSIBLE_PYTHON_INTERPRETER": str(request.param / "bin/python")}
        words = ("-i", folder / "site.polyvirt.yml", *words)
        answer = run_ansible(folder, program, words, environment, request.param / "bin", folder)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    run.folder = folder
    return run


def test_no_text_of_a_vm_is_rendered(run):
    folder = run.folder
    event = {"ansible_eda": {"event": runpy.run_path(str(PATH))["_plain"]({"vm": {"tags": TEXTS["event"]}})}}
    (folder / "described.yml").write_text(yaml_text({"described": TEXTS["described"]}), encoding="utf-8")
    copied = [
        {"copy": {"content": f"{{{{ {shown} | to_json }}}}", "dest": f"{folder}/{door}.json"}}
        for door, shown in DOORS.items()
    ]
    play = {"hosts": "web", "connection": "local", "gather_facts": False, "vars_files": ["described.yml"]}
    (folder / "play.yml").write_text(json.dumps([{**play, "tasks": copied}]), encoding="utf-8")
    run("ansible-playbook", "-e", json.dumps(event), folder / "play.yml")
    assert [path.name for path in folder.glob("executed-*")] == []
    shown = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    assert shown["variables"] == shown["composed"] == TEXTS["variables"]
    assert shown["described"] == TEXTS["described"]
    assert not [text for door in ("names", "event") for text in shown[door] if set(text) & set("{#<\n")]


def test_plain_words_are_plain_in_the_list_for_awx(run):
    """AWX compares the words of ``--export`` with ``enabled_value``; a dictionary would disable all hosts."""
    listed = json.loads(run("ansible-inventory", "--list", "--export"))["_meta"]["hostvars"].values()
    assert {host["polyvirt_state"] for host in listed} == {"running"}
