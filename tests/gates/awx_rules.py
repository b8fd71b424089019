# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX accepts as a job template with a survey, and which variables a job gets from it.

Written from the public source of AWX 24.6.1 (awx/api/views, awx/main/models); no AWX runs in these tests.
"""

from __future__ import annotations

import re

_TEXTS = ("text", "textarea", "password")
_CHOICES = ("multiplechoice", "multiselect")
_TYPES = (*_TEXTS, *_CHOICES, "integer", "float")
#: {field of a job template: its type in JSON}. Labels, credentials and instance groups have their own addresses.
FIELDS = {
    **dict.fromkeys(("name", "description", "playbook", "scm_branch", "limit", "extra_vars", "job_tags"), str),
    **dict.fromkeys(("skip_tags", "start_at_task", "host_config_key", "webhook_service", "job_type"), str),
    **dict.fromkeys(("inventory", "project", "execution_environment"), str),
    **dict.fromkeys(("forks", "verbosity", "timeout", "job_slice_count"), int),
    **dict.fromkeys(("survey_enabled", "become_enabled", "diff_mode", "allow_simultaneous", "force_handlers"), bool),
    **dict.fromkeys(("use_fact_cache", "prevent_instance_group_fallback"), bool),
}
PROMPTS = {
    *("scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory"),
    *("credential", "execution_environment", "labels", "forks", "job_slice_count", "timeout", "instance_groups"),
}
#: Lines by which AWX recognizes a playbook of a project, and directories in which it does not search.
_PLAYBOOK = re.compile(r"^\s*-?\s*(hosts|(ansible\.builtin\.)?import_playbook|include):", re.MULTILINE)
_NOT_SEARCHED = {"roles", "tasks", "group_vars", "host_vars"}


def is_listed(path, text):
    """Whether AWX offers a file of a project as a playbook; ``path`` is relative to the project."""
    parts = path.parts
    searched = not _NOT_SEARCHED & set(parts[:-1]) and not any(part.startswith(".") for part in parts)
    return searched and path.suffix in (".yml", ".yaml") and bool(_PLAYBOOK.search(text))


def template_problems(template):
    """What AWX would reject in a job template. ``survey``, ``labels`` and ``primary`` are not sent with it."""
    problems = []
    for name, value in template.items():
        prompt = re.fullmatch(r"ask_(\w+)_on_launch", name)
        if prompt and (prompt[1] not in PROMPTS or not isinstance(value, bool)):
            problems.append(f"{name} is no prompt, or no boolean")
        elif not prompt and name not in ("survey", "survey_spec", "labels", "primary", "organization"):
            known = FIELDS.get(name)
            if known is None or type(value) is not known:
                problems.append(f"{name} is no field, or not of its type")
    if template.get("job_type", "run") not in ("run", "check"):
        problems.append("job_type")
    if template.get("survey", {}).get("spec") and not template.get("survey_enabled"):
        problems.append("the survey is never asked: survey_enabled is false")
    return problems


def survey_problems(survey):
    """What AWX would reject in a survey."""
    problems = [key for key in ("name", "description") if not isinstance(survey.get(key), str)]
    spec = survey.get("spec")
    if not isinstance(spec, list) or not spec:
        return [*problems, "spec is no list of questions"]
    variables = [one.get("variable") for one in spec]
    problems += [f"{one} is asked twice" for one in sorted(set(variables)) if variables.count(one) > 1]
    for question in spec:
        problems += [f"{question.get('variable')}: {problem}" for problem in _question_problems(question)]
    return problems


def _question_problems(question):
    """What AWX would reject in one question."""
    yield from (key for key in ("type", "question_name", "variable") if not isinstance(question.get(key), str))
    if not isinstance(question.get("required"), bool):
        yield "required is no boolean"
    kind = question.get("type")
    if kind not in _TYPES:
        yield f"type {kind}"
        return
    yield from (f"{key} is no number" for key in ("min", "max") if type(question.get(key, 0)) not in (int, type(None)))
    if kind in _CHOICES:
        yield from _choice_problems(question)
    if "default" in question and question["default"] != "":
        allowed = {"integer": (int,), "float": (int, float)}.get(kind, (str,))
        if not isinstance(question["default"], allowed):
            yield "default is of another type"


def _choice_problems(question):
    choices = question.get("choices")
    choices = choices.splitlines() if isinstance(choices, str) else choices
    if not choices:
        yield "no choices"
    elif question["type"] == "multiplechoice" and question.get("default", "") not in ("", *choices):
        yield "default is no choice"


def launched(survey, answers):
    """(variables of the job, errors) for these answers: a default counts for a question that may stay unanswered."""
    errors, variables = [], {}
    for question in survey["spec"]:
        name = question["variable"]
        if name in answers:
            errors += _answer_problems(question, answers[name])
            variables[name] = answers[name]
        elif question["required"]:
            errors.append(f"{name}: value missing")
        elif "default" in question and not _answer_problems(question, question["default"]):
            variables[name] = question["default"]
    asked = {question["variable"] for question in survey["spec"]}
    errors += [f"{name} is not asked and ignored" for name in answers if name not in asked]
    return variables, errors


def untouched(survey, answers):
    """``answers`` as the form of the web interface sends them: an empty text for a text that nobody has entered."""
    empty = {one["variable"]: "" for one in survey["spec"] if one["type"] in _TEXTS and not one.get("default")}
    return {**empty, **answers}


def _answer_problems(question, value):
    """What AWX rejects in an answer."""
    kind, name = question["type"], question["variable"]
    known = {"integer": int, "float": (int, float), "multiselect": list}.get(kind, str)
    if not isinstance(value, known) or isinstance(value, bool):
        return [f"{name}: {value!r} is of another type than {kind}"]
    if kind in _CHOICES:
        wrong = {*(value if kind == "multiselect" else [value])} - set(question["choices"])
        return [f"{name}: {sorted(wrong)} is no choice"] if wrong else []
    size = len(value) if kind in _TEXTS else value
    low, high = question.get("min"), question.get("max")
    if (low is not None and size < low) or (high is not None and size > high):
        return [f"{name}: {value!r} is too small or too large"]
    return []
