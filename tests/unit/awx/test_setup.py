# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that sets up an AWX, with the settings of the guide, against modules that record what AWX would get."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from suite.by_ansible import EACH_CORE, newest_core, run_ansible
from unit.awx.guide import FOLDER, TYPES, block, data
from unit.awx.stand_in import PROMPTS, WORKFLOW_PROMPTS, install

SECRET = "a-token-that-nobody-may-see"
_CORES = newest_core("test_variable_for_infra_aap_configuration_is_not_templated, with each ansible-core")


def _name(core):
    return core.name.partition("-")[0]


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


@pytest.mark.parametrize("core", _CORES, ids=_name)
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
    given = [one.pop("extra_vars") for one in (check, run)]
    assert given == [{"polyvirt_check_only": True}, {"polyvirt_approved_plans": []}]
    assert check == run
    assert (check["job_slice_count"], check["credentials"]) == (1, ["production"])
    (workflow,) = of["workflow_job_template"]
    assert_nothing_is_asked(check, PROMPTS)
    assert_nothing_is_asked(workflow, WORKFLOW_PROMPTS)
    assert_run_follows_approval(workflow["workflow_nodes"])


def assert_nothing_is_asked(template, prompts):
    """Who launches it cannot change what it does: variables of a launch would win over those of the template."""
    asked = {name: value for name, value in template.items() if name.startswith("ask_")}
    assert asked == {f"ask_{name}_on_launch": False for name in prompts}
    assert template["survey_enabled"] is False


def assert_run_follows_approval(listed):
    """The nodes of the workflow: check, approval, run; a job that fails ends it."""
    nodes = {node["identifier"]: node for node in listed}
    assert {name: node.get("related", {}) for name, node in nodes.items()} == {
        "check": {"success_nodes": [{"identifier": "approve"}]},
        "approve": {"success_nodes": [{"identifier": "run"}]},
        "run": {},
    }
    described = [(node["unified_job_template"]["type"], node["unified_job_template"]["name"]) for node in listed]
    assert described == [
        ("job_template", "polyvirt check"),
        ("workflow_approval", "polyvirt approve"),
        ("job_template", "polyvirt run"),
    ]


@pytest.mark.parametrize("core", EACH_CORE, ids=_name)
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
