# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pattern service and AWX accept the patterns of extensions/patterns, and their surveys are complete."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from collection_path import CHECKOUT
from gates.awx_rules import is_listed, launched, survey_problems, template_problems, untouched
from gates.pattern_schema import PATTERN_SCHEMA
from lib import patterns

FOLDER = CHECKOUT / patterns.FOLDER
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
PATTERNS = {name: json.loads((FOLDER / name / "meta/pattern.json").read_text(encoding="utf-8")) for name in NAMES}
TEMPLATES = [
    pytest.param(name, template, id=f"{name}-{template['playbook'].removesuffix('.yml')}")
    for name, pattern in PATTERNS.items()
    for template in pattern["aap_resources"]["controller_job_templates"]
]
WITH_SURVEY = [one for one in TEMPLATES if "survey" in one.values[1]]
#: Variables that decide what may be done must not come from a form, or from whoever starts a job.
_NEVER_ASKED = {"polyvirt_approved_plans", "expect_plan"}


def _schema_errors(pattern):
    Draft202012Validator.check_schema(PATTERN_SCHEMA)
    found = Draft202012Validator(PATTERN_SCHEMA).iter_errors(pattern)
    return sorted("/".join(map(str, error.absolute_path)) for error in found)


@pytest.mark.parametrize("name", NAMES)
def test_pattern_follows_the_schema_and_its_directory(name):
    pattern = PATTERNS[name]
    assert _schema_errors(pattern) == []
    assert pattern["name"] == name
    assert not pattern["short_description"].endswith(".")
    playbooks = {path.stem for path in (FOLDER / name / "playbooks").glob("*.yml")}
    named = {template["playbook"] for template in pattern["aap_resources"]["controller_job_templates"]}
    assert {f"{stem}.yml" for stem in playbooks if not stem.endswith(".meta")} == named
    assert (FOLDER / name / "README.md").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_the_loader_reads_is_given(name):
    resources = PATTERNS[name]["aap_resources"]
    templates = resources["controller_job_templates"]
    environment = resources["controller_execution_environment"]["name"]
    assert {template["execution_environment"] for template in templates} == {environment}
    assert {label for template in templates for label in template["labels"]} <= set(resources["controller_labels"])
    assert len(templates) == 1 or [template.get("primary") for template in templates].count(True) == 1
    # The loader adds the collection, the pattern and a number to each name; AWX has 512 characters.
    assert all(len(template["name"]) <= 64 for template in templates)


@pytest.mark.parametrize(("name", "template"), TEMPLATES)
def test_awx_accepts_job_template(name, template):
    assert template_problems(template) == []
    assert {f"ask_{prompt}_on_launch" for prompt in patterns.PROMPTS} <= set(template)
    assert (template["ask_variables_on_launch"], template["job_slice_count"]) == (False, 1)
    path = FOLDER / name / "playbooks" / template["playbook"]
    assert is_listed(path.relative_to(CHECKOUT), path.read_text(encoding="utf-8"))


#: Patterns with surveys in which each question has a default.
_WITHOUT_REQUIRED = {"reap"}


@pytest.mark.parametrize(("name", "template"), WITH_SURVEY)
def test_required_answers_are_enough(name, template):
    survey = template["survey"]
    assert survey_problems(survey) == []
    assert not _NEVER_ASKED & {question["variable"] for question in survey["spec"]}
    required = {one["variable"]: "name" for one in survey["spec"] if one["required"]}
    assert bool(required) == (name not in _WITHOUT_REQUIRED)
    variables, errors = launched(survey, untouched(survey, required))
    assert errors == []
    # A default would be an answer, which has precedence over the variables of the inventory.
    assert {name for name, value in variables.items() if value != ""} == set(required)
    assert launched(survey, {})[1] == [f"{variable}: value missing" for variable in required]


def test_creating_cannot_remove():
    (create, remove) = PATTERNS["create_vm"]["aap_resources"]["controller_job_templates"]
    answers = {"vm_name": "web1", "vm_state": "absent"}
    assert launched(create["survey"], answers)[1] == ["vm_state: ['absent'] is no choice"]
    assert launched(remove["survey"], answers)[1] == ["vm_state is not asked and ignored"]


@pytest.mark.parametrize("name", NAMES)
def test_controller_file_has_the_same_templates(name):
    variables = yaml.safe_load((FOLDER / name / "meta/controller.yml").read_text(encoding="utf-8"))
    templates = PATTERNS[name]["aap_resources"]["controller_job_templates"]
    surveys = [one.get("survey_spec") for one in variables["controller_templates"]]
    assert surveys == [one.get("survey") for one in templates]
    for template in variables["controller_templates"]:
        assert template_problems(template) == []
        assert (CHECKOUT / template["playbook"]).is_file()
    assert [one["name"] for one in variables["controller_projects"]] == [
        one["project"] for one in variables["controller_templates"][:1]
    ]


def test_no_other_file_looks_like_a_playbook():
    found = [Path(one).relative_to(CHECKOUT) for one in CHECKOUT.glob("**/*.meta.yml")]
    assert found
    assert [path for path in found if is_listed(path, (CHECKOUT / path).read_text(encoding="utf-8"))] == []


#: (what is changed, function that changes it, where the schema reports it or None, whether AWX reports it)
_WRONG = [
    ("no question", lambda survey: survey.update(spec=[]), None, True),
    ("integer with a default", lambda survey: survey["spec"][0].update(type="integer", default=4), "default", False),
    ("text as a default", lambda survey: survey["spec"][0].update(type="integer", default="4"), None, True),
    ("no choices", lambda survey: survey["spec"][0].update(type="multiplechoice"), "0", True),
    ("choices of nothing", lambda survey: survey["spec"][0].update(type="multiselect", choices=[]), None, True),
    ("another choice", lambda survey: survey["spec"][0].update(_choice("c")), None, True),
    ("unknown type", lambda survey: survey["spec"][0].update(type="date"), "type", True),
    ("name of a variable", lambda survey: survey["spec"][0].update(variable="a-b"), "variable", False),
    ("asked twice", lambda survey: survey["spec"].append(dict(survey["spec"][0])), None, True),
    ("text as a minimum", lambda survey: survey["spec"][0].update(min="1"), None, True),
]


def _choice(default):
    return {"type": "multiplechoice", "choices": ["a", "b"], "default": default}


@pytest.mark.parametrize(("change", "place", "awx"), [one[1:] for one in _WRONG], ids=[one[0] for one in _WRONG])
def test_wrong_surveys_are_found(change, place, awx):
    pattern = copy.deepcopy(PATTERNS["create_vm"])
    survey = pattern["aap_resources"]["controller_job_templates"][0]["survey"]
    del survey["spec"][1:]
    change(survey)
    assert bool(survey_problems(survey)) == awx
    assert [one.rpartition("/")[2] for one in _schema_errors(pattern)] == ([] if place is None else [place])


def test_wrong_patterns_and_templates_are_found():
    pattern = copy.deepcopy(PATTERNS["create_vm"])
    pattern.update(name="Create", title="x" * 65)
    del pattern["aap_resources"]["controller_labels"]
    assert _schema_errors(pattern) == ["aap_resources", "name", "title"]
    template = {"job_type": "look", "ask_mood_on_launch": True, "forks": "5", "survey": {"spec": [{}]}}
    assert len(template_problems(template)) == 4


_OPTIONS = {
    "vm_name": {"description": "Name.", "type": "str", "required": True},
    "vm_new": {
        "description": "O(polyvirt.core.vm#role:main:vm_name), such as V(us(intl)).",
        "type": "int",
        "default": 2,
    },
}


def test_new_option_of_a_role_must_be_asked_or_left_out():
    survey = {"ask": {"vm_name": "Name"}, "left_out": {}}
    with pytest.raises(patterns.InvalidPattern, match="vm_new is neither asked nor left out with a reason"):
        patterns.questions(_OPTIONS, survey, "place")
    survey["left_out"] = {"reason": ["vm_new", "vm_old"]}
    with pytest.raises(patterns.InvalidPattern, match="vm_old is no option of the playbook"):
        patterns.questions(_OPTIONS, survey, "place")
    survey["left_out"] = {"reason": ["vm_new"], "another": ["vm_name"]}
    with pytest.raises(patterns.InvalidPattern, match="vm_name is listed twice"):
        patterns.questions(_OPTIONS, survey, "place")
    survey = {"ask": {"vm_name": "Name", "vm_new": "New"}, "left_out": {}}
    assert [one["question_description"] for one in patterns.questions(_OPTIONS, survey, "place")] == [
        "Name.",
        "vm_name, such as us(intl). Default: 2.",
    ]


_SOURCE = """
title: Try
description: Tries.
short_description: Try
tags: []
job_templates:
  - {name: Apply, description: Apply, playbook: apply.yml, prompts: [], template: {extra_vars: "plans: []"}}
workflows:
  - {name: Check and apply}
"""


def test_template_without_a_survey_asks_nothing_and_workflows_are_data(tmp_path):
    folder = tmp_path / "scripts" / "patterns"
    (folder / "shared").mkdir(parents=True)
    shared = (CHECKOUT / "scripts/patterns/shared/resources.yml").read_text(encoding="utf-8")
    (folder / "shared" / "resources.yml").write_text(shared, encoding="utf-8")
    (folder / "try.yml").write_text(_SOURCE, encoding="utf-8")
    pattern = patterns.pattern(tmp_path, "try")
    assert _schema_errors(pattern) == []
    (template,) = pattern["aap_resources"]["controller_job_templates"]
    assert template_problems(template) == []
    assert [key for key, value in template.items() if key.startswith("ask_") and value] == []
    assert (template["survey_enabled"], "survey" in template, template["extra_vars"]) == (False, False, "plans: []")
    controller = yaml.safe_load("\n".join(patterns.controller_lines(tmp_path, "try")))
    assert controller["controller_workflows"] == [{"name": "Check and apply"}]
    assert controller["controller_templates"][0]["playbook"] == "extensions/patterns/try/playbooks/apply.yml"


def test_list_cannot_be_asked():
    with pytest.raises(patterns.InvalidPattern, match="no question for the type list"):
        patterns.questions(
            {"vm_tags": {"description": "Tags.", "type": "list"}}, {"ask": {"vm_tags": "Tags"}, "left_out": {}}, "place"
        )


def _approving():
    return PATTERNS["approved_change"]["aap_resources"]["controller_job_templates"]


def test_nobody_can_bring_his_own_approval():
    check, apply = _approving()
    for template in (check, apply):
        assert [key for key, value in template.items() if key.startswith("ask_") and value] == []
        assert (template["survey_enabled"], template["job_slice_count"]) == (False, 1)
    assert (check["job_type"], apply["job_type"]) == ("check", "run")
    given = [yaml.safe_load(one["extra_vars"]) for one in (check, apply)]
    assert given == [{"polyvirt_check_only": True}, {"polyvirt_approved_plans": []}]
    variables = yaml.safe_load((FOLDER / "approved_change/meta/controller.yml").read_text(encoding="utf-8"))
    (workflow,) = variables["controller_workflows"]
    assert [key for key, value in workflow.items() if key.startswith(("ask_", "survey")) and value] == []
    jobs = [node["unified_job_template"] for node in workflow["workflow_nodes"]]
    assert [job["name"] for job in jobs if job["type"] == "job_template"] == [check["name"], apply["name"]]
    follows = {one["identifier"]: one.get("related", {}) for one in workflow["workflow_nodes"]}
    assert follows["check"] == {"success_nodes": [{"identifier": "approve"}]}
    assert follows["approve"] == {"success_nodes": [{"identifier": "apply"}]}


def test_playbook_of_approved_changes_has_only_tasks_that_need_an_approval():
    plays = yaml.safe_load((FOLDER / "approved_change/playbooks/approved_change.yml").read_text(encoding="utf-8"))
    assert [set(play) for play in plays] == [{"name", "hosts", "gather_facts", "tasks"}]
    change, show = plays[0]["tasks"]
    assert set(change) == {"name", "polyvirt.core.vm", "register", "when"}
    assert set(show) == {"name", "ansible.builtin.debug", "when"}


def test_playbooks_are_imported_by_path():
    """The importer of Galaxy does not find playbooks of a collection by their full names, and warns."""
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*/playbooks/*.yml")}
    assert [name for name, text in found.items() if "import_playbook: polyvirt.core." in text] == []
