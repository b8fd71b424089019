# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the patterns of extensions/patterns from scripts/patterns/NAME.yml, with surveys from the playbooks' options.

Each option of a playbook is asked, or left out with a reason: a new option of a role stops the generation until
somebody has decided. ``pattern.json`` follows the pattern specification of the automation platform. ``controller.yml``
has the same for AWX without that service, and the workflows, which a pattern cannot contain.
"""

from __future__ import annotations

import json
import re

import yaml

from lib.play_specs import spec_of, yaml_lines

SCHEMA_VERSION = "3.0.0"
FOLDER = "extensions/patterns"
#: What AWX can ask for at a launch, besides the survey.
PROMPTS = (
    *("credential", "diff_mode", "execution_environment", "forks", "instance_groups", "inventory", "job_slice_count"),
    *("job_type", "labels", "limit", "scm_branch", "skip_tags", "tags", "timeout", "variables", "verbosity"),
)
_TYPES = {"str": "text", "path": "text", "int": "integer", "float": "float", "bool": "multiplechoice"}
_MARKUP = re.compile(r"\b[A-Z]+\((.*?)\)(?!\))")
#: The parts of a reference that are not a name for people: an entry point of a role, the kind of a plugin.
_NOT_NAMED = re.compile(r"^[\w.]+#role:\w+:|#\w+$")
_HEADER = """\
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Written by scripts/generate.py from scripts/patterns/{name}.yml: do not edit.
#
# The resources of the pattern {name} for AWX, as variables of the collection infra.aap_configuration. Set
# polyvirt_organization, polyvirt_project_url and polyvirt_image to your own values.
---"""


class InvalidPattern(Exception):
    """The source of a pattern is not complete."""


def pattern_names(checkout):
    """Return the names of all patterns."""
    return sorted(path.stem for path in (checkout / "scripts/patterns").glob("*.yml"))


def pattern_lines(checkout, name):
    """Return the lines of ``pattern.json``."""
    return json.dumps(pattern(checkout, name), indent=2, ensure_ascii=False).splitlines()


def pattern(checkout, name):
    """Return the pattern as a dictionary by the pattern specification."""
    source = _source(checkout, name)
    resources = source["resources"]
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        **{key: source[key] for key in ("title", "description", "short_description", "tags")},
        "aap_resources": {
            "controller_project": resources["project"],
            "controller_execution_environment": resources["execution_environment"],
            "controller_labels": resources["labels"],
            "controller_job_templates": [_template(checkout, name, one, resources) for one in source["job_templates"]],
        },
    }


def controller_lines(checkout, name):
    """Return the lines of ``controller.yml``."""
    resources = pattern(checkout, name)["aap_resources"]
    organization, environment = "{{ polyvirt_organization }}", resources["controller_execution_environment"]
    project = resources["controller_project"]
    variables = {
        "controller_labels": [{"name": one, "organization": organization} for one in resources["controller_labels"]],
        "controller_execution_environments": [
            {**{key: environment[key] for key in ("name", "description", "pull")}, "image": "{{ polyvirt_image }}"}
        ],
        "controller_projects": [
            {**project, "organization": organization, "scm_type": "git", "scm_url": "{{ polyvirt_project_url }}"}
        ],
        "controller_templates": [
            _for_controller(name, one, project, organization) for one in resources["controller_job_templates"]
        ],
        "controller_workflows": _source(checkout, name).get("workflows", []),
    }
    return [*_HEADER.format(name=name).splitlines(), *yaml_lines(variables)]


def _for_controller(name, template, project, organization):
    """Return a job template of a pattern as AWX's own: the playbook is a path in the project."""
    kept = {key: value for key, value in template.items() if key not in ("primary", "survey")}
    place = {"playbook": f"{FOLDER}/{name}/playbooks/{template['playbook']}", "project": project["name"]}
    survey = {"survey_spec": template["survey"]} if "survey" in template else {}
    return {**kept, **place, "organization": organization, **survey}


def _source(checkout, name):
    """Return the file of a pattern, with the resources that all patterns share."""
    folder = checkout / "scripts/patterns"
    source = yaml.safe_load((folder / f"{name}.yml").read_text(encoding="utf-8"))
    shared = yaml.safe_load((folder / "shared" / "resources.yml").read_text(encoding="utf-8"))
    return {**source, "resources": {**shared, **source.get("resources", {})}}


def _template(checkout, pattern_name, source, resources):
    """Return a job template: every prompt is explicit, so that nothing depends on a default of AWX.

    Without a survey, nothing but the prompts is asked.
    """
    asked = source.get("prompts", resources["prompts"])
    return {
        **{key: source[key] for key in ("name", "description", "playbook")},
        **({"primary": True} if source.get("primary") else {}),
        "execution_environment": resources["execution_environment"]["name"],
        "labels": source.get("labels", resources["labels"]),
        **resources["template"],
        **source.get("template", {}),
        **{f"ask_{prompt}_on_launch": prompt in asked for prompt in PROMPTS},
        "survey_enabled": "survey" in source,
        **({"survey": _survey(checkout, pattern_name, source)} if "survey" in source else {}),
    }


def _survey(checkout, pattern_name, source):
    """Return the survey of a job template, with questions about the options of its playbook."""
    playbook, survey = source["playbook"], source["survey"]
    options = spec_of(checkout, f"{FOLDER}/{pattern_name}/playbooks/{playbook.removesuffix('.yml')}")
    spec = questions(options, survey, f"{pattern_name}: {playbook}")
    return {"name": source["name"], "description": survey["description"], "spec": spec}


def questions(options, survey, place):
    """Return the questions about ``options``. Each option is asked, or left out with a reason, and nothing else is."""
    left_out = [name for listed in survey["left_out"].values() for name in listed]
    decided = [*survey["ask"], *left_out]
    problems = {
        "is neither asked nor left out with a reason": sorted(set(options) - set(decided)),
        "is no option of the playbook": sorted(set(decided) - set(options)),
        "is listed twice": sorted({name for name in decided if decided.count(name) > 1}),
    }
    found = [f"{name} {problem}" for problem, listed in problems.items() for name in listed]
    if found:
        raise InvalidPattern(f"{place}: {'; '.join(found)}")
    return [_question(name, options[name], wanted) for name, wanted in survey["ask"].items()]


def _question(name, option, wanted):
    """Return one question; ``wanted`` is its title, or a dictionary with ``question`` and what differs from the option.

    No question has a default: AWX would send it as the answer, which has precedence over variables of the inventory.
    """
    wanted = {"question": wanted} if isinstance(wanted, str) else wanted
    kind = wanted.get("type", "multiplechoice" if "choices" in option else _TYPES.get(option["type"]))
    if kind is None:
        raise InvalidPattern(f"{name}: a survey has no question for the type {option['type']}: leave it out")
    required = option.get("required", False)
    left_out = wanted.get("without", ())
    description = _description(option, left_out)
    text = {"type": kind, "question_name": wanted["question"], "question_description": description}
    question = {**text, "variable": name, "required": required}
    if kind == "multiplechoice":
        known = option.get("choices", ["true", "false"])
        return {**question, "choices": [one for one in known if one not in ("", *left_out)]}
    if kind == "integer":
        return {**question, "min": wanted.get("min", 1)}
    return {**question, **({"min": 1} if required else {})}


def _description(option, left_out):
    """Return the description without markup, and the default that the playbook has for a question without an answer.

    A sentence about a choice that is not offered is left out.
    """
    sentences = re.split(r"(?<=[.]) (?=[A-Z])", option["description"])
    offered = [one for one in sentences if not one.startswith(tuple(f"V({choice})" for choice in left_out))]
    text = _MARKUP.sub(lambda found: _NOT_NAMED.sub("", found[1]), " ".join(offered))
    default = option.get("default")
    if default in (None, ""):
        return text
    return f"{text} Default: {str(default).lower() if isinstance(default, bool) else default}."
