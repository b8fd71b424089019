# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that sets up an AWX, with the settings of the guide, against modules that record what AWX would get."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from suite.by_ansible import CORES, run_ansible
from unit.awx.guide import FOLDER, TYPES, block, data
from unit.awx.stand_in import install

pytestmark = pytest.mark.rotated(6)

SECRET = "a-token-that-nobody-may-see"


@pytest.fixture
def play(tmp_path):
    """Run a playbook with the modules that record: ``play(programs, words)`` returns [(module, options)]."""
    record = install(tmp_path)

    def run(programs, *words):
        environment = {
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path),
            "HOME": str(tmp_path),
            "PVE_TOKEN": SECRET,
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        }
        done = run_ansible(tmp_path, "ansible-playbook", ["-vvv", *words], environment, programs, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        assert SECRET not in done.stdout + done.stderr
        return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]

    return run


def _copied(folder):
    shutil.copytree(FOLDER, folder / "awx")
    (folder / "awx" / "settings.yml").write_text(block("setup_image"), encoding="utf-8")
    (folder / "pve-root-ca.pem").write_text("CERTIFICATE\n", encoding="utf-8")
    return folder / "awx" / "setup.yml", "-e", f"@{folder / 'awx' / 'settings.yml'}"


@pytest.mark.parametrize("core", CORES, ids=lambda path: path.name.split("-")[0])
def test_settings_of_the_guide_set_up_an_awx(play, tmp_path, core):
    calls = play(core / "bin", *_copied(tmp_path))
    of = {name: [given for module, given in calls if module == name] for name, _given in calls}
    assert {one["name"]: one for one in of["credential_type"]} == {one["name"]: one for one in TYPES.values()}
    (credential,) = of["credential"]
    assert credential["credential_type"] == TYPES["proxmox"]["name"]
    assert set(TYPES["proxmox"]["inputs"]["required"]) <= set(credential["inputs"])
    assert (credential["inputs"]["api_token_secret"], credential["inputs"]["ca_certificate"]) == (SECRET, "CERTIFICATE")
    (source,) = of["inventory_source"]
    assert source["source_vars"] == {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": True}
    assert [source[name] for name in ("source_path", "credential")] == ["awx.polyvirt.yml", "production"]
    check, run = of["job_template"]
    assert [one.pop("job_type") for one in (check, run)] == ["check", "run"]
    assert [one.pop("name") for one in (check, run)] == ["polyvirt check", "polyvirt run"]
    assert check == run
    assert (check["job_slice_count"], check["credentials"]) == (1, ["production"])
    assert {value for name, value in check.items() if name.startswith("ask_")} == {False}


@pytest.mark.parametrize("core", CORES[-1:], ids=lambda path: path.name.split("-")[0])
def test_workflow_applies_only_after_approval(play, tmp_path, core):
    calls = play(core / "bin", *_copied(tmp_path))
    ((_module, workflow),) = [call for call in calls if call[0] == "workflow_job_template"]
    nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
    led_to = {name: node.get("related", {}) for name, node in nodes.items()}
    assert led_to == {
        "check": {"success_nodes": [{"identifier": "approve"}]},
        "approve": {"success_nodes": [{"identifier": "run"}]},
        "run": {},
    }
    kinds = {name: node["unified_job_template"]["type"] for name, node in nodes.items()}
    assert kinds == {"check": "job_template", "approve": "workflow_approval", "run": "job_template"}
    templates = [given["name"] for module, given in calls if module == "job_template"]
    assert [nodes[name]["unified_job_template"]["name"] for name in ("check", "run")] == templates
    assert workflow["ask_variables_on_launch"] is False


@pytest.mark.parametrize("core", CORES, ids=lambda path: path.name.split("-")[0])
def test_variable_for_infra_aap_configuration_is_not_templated(play, tmp_path, core):
    """Its role passes the injectors through filters that remove ``{  {``, which return a text."""
    copied, *_words = _copied(tmp_path)
    injectors = "{{ item.injectors | regex_replace('{  {', '{_x_{') | regex_replace('_x_', '') }}"
    options = {"name": "{{ item.name }}", "inputs": "{{ item.inputs }}", "injectors": injectors}
    task = {"awx.awx.credential_type": options, "loop": "{{ controller_credential_types }}"}
    played = [
        {"hosts": "localhost", "gather_facts": False, "vars": data("controller_credential_types"), "tasks": [task]}
    ]
    playbook = copied.parent / "types.yml"
    playbook.write_text(yaml.safe_dump(played), encoding="utf-8")
    got = {given["name"]: (given["inputs"], given["injectors"]) for _module, given in play(core / "bin", playbook)}
    assert got == {one["name"]: (one["inputs"], one["injectors"]) for one in TYPES.values()}


def test_roles_of_the_guide_are_separate(play, tmp_path):
    playbook = tmp_path / "roles.yml"
    tasks = data("Who launches changes")
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    calls = [given for _module, given in play(None, playbook)]
    assert [(one["role"], one["workflows"]) for one in calls] == [
        ("execute", ["polyvirt change"]),
        ("approval", ["polyvirt change"]),
    ]
    assert len({one["team"] for one in calls}) == 2
