# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A collection ``awx.awx`` that only records: its modules take the options of the real ones, and call no AWX.

The options are those of awx.awx 24.6.1, as far as they belong to AWX itself.
"""

from __future__ import annotations

import json

_TEXT, _FLAG, _LIST, _DICT, _NUMBER = ({"type": kind} for kind in ("str", "bool", "list", "dict", "int"))
_NAME = {"name": {"required": True, **_TEXT}, "organization": _TEXT, "description": _TEXT}
#: What a job template can ask at its launch, and a workflow.
PROMPTS = (
    "scm_branch", "diff_mode", "variables", "limit", "tags", "skip_tags", "job_type", "verbosity", "inventory",
    "credential", "execution_environment", "labels", "forks", "job_slice_count", "timeout", "instance_groups",
)  # fmt: skip
WORKFLOW_PROMPTS = ("inventory", "labels", "limit", "scm_branch", "skip_tags", "tags", "variables")
OPTIONS = {
    "execution_environment": {**_NAME, "image": {"required": True, **_TEXT}, "credential": _TEXT, "pull": _TEXT},
    "credential_type": {
        "name": {"required": True, **_TEXT},
        "description": _TEXT,
        "kind": {"choices": ["ssh", "vault", "net", "scm", "cloud", "insights"], **_TEXT},
        "inputs": _DICT,
        "injectors": _DICT,
    },
    "credential": {**_NAME, "credential_type": _TEXT, "inputs": {**_DICT, "no_log": True}},
    "project": {
        **_NAME,
        "scm_type": {"choices": ["manual", "git", "svn", "insights", "archive"], **_TEXT},
        "scm_url": _TEXT,
        "default_environment": _TEXT,
        "scm_update_on_launch": _FLAG,
    },
    "inventory": _NAME,
    "inventory_source": {
        **_NAME,
        **dict.fromkeys(("source_project", "source_path", "credential", "execution_environment"), _TEXT),
        "inventory": {"required": True, **_TEXT},
        "source": {"choices": ["scm", "ec2"], **_TEXT},
        "source_vars": _DICT,
        "overwrite": _FLAG,
        "update_on_launch": _FLAG,
    },
    "job_template": {
        **_NAME,
        **dict.fromkeys(("project", "inventory", "playbook", "execution_environment"), _TEXT),
        **{f"ask_{name}_on_launch": _FLAG for name in PROMPTS},
        "job_type": {"choices": ["run", "check"], **_TEXT},
        "credentials": _LIST,
        "extra_vars": _DICT,
        "job_slice_count": _NUMBER,
        **dict.fromkeys(("diff_mode", "allow_simultaneous", "survey_enabled"), _FLAG),
    },
    "workflow_job_template": {
        **_NAME,
        **{f"ask_{name}_on_launch": _FLAG for name in WORKFLOW_PROMPTS},
        "survey_enabled": _FLAG,
        "workflow_nodes": _LIST,
    },
    "role": {
        "team": _TEXT,
        "role": {"choices": ["admin", "read", "execute", "approval", "use"], **_TEXT},
        "workflows": _LIST,
    },
}
_MODULE = """
import json
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec=json.loads({spec!r}))
with open({record!r}, "a", encoding="utf-8") as file:
    given = {{name: value for name, value in module.params.items() if value is not None}}
    file.write(json.dumps([{name!r}, given]) + "\\n")
module.exit_json(changed=True)
"""


def install(folder):
    """Write the collection below ``folder``; returns the path of its record, a line [module, options] for each call."""
    record, modules = folder / "calls.jsonl", folder / "ansible_collections/awx/awx/plugins/modules"
    modules.mkdir(parents=True)
    for name, options in OPTIONS.items():
        source = _MODULE.format(spec=json.dumps(options), record=str(record), name=name)
        (modules / f"{name}.py").write_text(source, encoding="utf-8")
    return record
