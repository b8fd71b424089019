# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the pattern schema 3.0.0, as a JSON schema (Draft 2020-12) without its texts.

The schema itself is specifications/pattern-schema/pattern-schema-3.0.0.json of ansible/pattern-service (Apache License
2.0). Unknown keys are permitted at every level; a job template is sent to AWX as it is, see awx_rules.py.
"""

from __future__ import annotations

_TEXT, _SWITCH = {"type": "string"}, {"type": "boolean"}
_NAME = {"type": "string", "maxLength": 200}
_WORDS = {"type": "array", "items": _TEXT, "uniqueItems": True}
_IDENTIFIER = {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9_]+$"}


def _object(required, optional=()):
    """An object with the keys of both dictionaries."""
    return {"type": "object", "required": list(required), "properties": {**required, **dict(optional)}}


_TYPES = ["text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"]
_QUESTION = _object(
    {
        "type": {"type": "string", "enum": _TYPES},
        "question_name": _TEXT,
        "question_description": _TEXT,
        "variable": _IDENTIFIER,
        "required": _SWITCH,
    },
    {"choices": {"type": "array", "items": _TEXT}, "default": _TEXT},
)
_QUESTION["allOf"] = [{"if": {"properties": {"type": {"const": "multiplechoice"}}}, "then": {"required": ["choices"]}}]
_SURVEY = _object({"name": _TEXT, "description": _TEXT, "spec": {"type": "array", "items": _QUESTION}})
_JOB_TEMPLATE = _object(
    {"name": _NAME, "description": _TEXT, "playbook": _TEXT},
    {
        "execution_environment": _TEXT,
        "primary": _SWITCH,
        **{f"ask_{prompt}_on_launch": _SWITCH for prompt in ("credential", "inventory", "verbosity")},
        "labels": {**_WORDS, "minItems": 1},
        "survey": _SURVEY,
    },
)
_RESOURCES = _object(
    {
        "controller_project": _object({"name": _NAME, "description": _TEXT}),
        "controller_job_templates": {"type": "array", "minItems": 1, "items": _JOB_TEMPLATE},
    },
    {
        "controller_execution_environment": _object(
            {"name": _NAME, "description": _TEXT, "image_name": _TEXT},
            {"pull": {"type": "string", "enum": ["always", "missing", "never"]}},
        ),
        "controller_labels": {**_WORDS, "minItems": 1},
    },
)
_WITH_LABELS = {"controller_job_templates": {"type": "array", "contains": {"required": ["labels"]}}}
PATTERN_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        {
            "schema_version": _TEXT,
            "name": _IDENTIFIER,
            "title": {"type": "string", "maxLength": 64},
            "description": _TEXT,
            "short_description": _TEXT,
            "aap_resources": _RESOURCES,
        },
        {"tags": _WORDS},
    ),
    "if": {"properties": {"aap_resources": {"properties": _WITH_LABELS}}},
    "then": {"properties": {"aap_resources": {"required": ["controller_labels"]}}},
}
