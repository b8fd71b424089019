# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of most modules: runs the module's code in Ansible's own process if the result would be the same.

For a task on the controller, this saves the archive, a second Python process and compilation, which take most of the
time of a task. In all other cases (another host, or a condition in ``_runs_here``) the module is run as usual.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import date
from functools import cache, cached_property

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.action import ActionBase

from ...module_utils._core.options.option_errors import error_messages, misshapen, not_options
from .approvals import OPTION as APPROVAL
from .approvals import arguments_of, check_pruned_once, limit_to_check_mode
from .bytecode import bytecode
from .image_names import ADDED, DIRECTORY, OPTION, with_catalogue, with_catalogue_of_names
from .progress_messages import describe, show_progress, tell_listeners
from .routing import declaration, module_of, other_module

#: The hidden option with the time of the controller: a module reads no clock to decide whether a VM has expired.
CONTROLLER_TIME = "controller_time"
#: Values of ansible_python_interpreter that leave the choice to Ansible.
_DISCOVERED = ("auto", "auto_silent", "auto_legacy", "auto_legacy_silent")
#: {platform: Python libraries that its driver needs}
LIBRARIES = {"proxmox": ("proxmoxer", "requests")}


class InProcess(ActionBase):
    """``module`` is the Declaration of the task's module: meta/runtime.yml routes many modules to one action plugin."""

    _supports_async = True

    @cached_property
    def module(self):
        return declaration(module_of(self._task))

    @cached_property
    def libraries(self):
        """The libraries that the module needs in the Python of Ansible."""
        return LIBRARIES.get(self.module.platform.name, ())

    def run(self, tmp=None, task_vars=None):
        del tmp  # Of no effect since ansible-core 2.3.
        limit_to_check_mode(self, task_vars or {})
        check_pruned_once(self, task_vars or {})
        super().run(None, task_vars)
        self._task_vars = task_vars
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        text, tell = describe(host, self._task.action, self._task.args), tell_listeners(self._task, task_vars or {})
        with show_progress(host, text, tell), bytecode():  # What few tasks need is imported when they need it.
            return self._result()

    def _result(self):
        self._add_knowledge_of_images()
        if APPROVAL in self.module.options:
            self._task.args = arguments_of(self, self._task_vars or {})
        if CONTROLLER_TIME in self.module.options:
            self._task.args = {**self._task.args, CONTROLLER_TIME: now()}
        try:
            validated = self._validation(self._task.args)
        except TypeError:
            # Ansible's validator does not report a value that is not a dictionary, if the option has suboptions.
            problem = self.module.platform.rejected(self._task.args, self.module.options)
            return {"failed": True, "msg": str(problem)}
        problem = self._problem(validated)
        if problem:
            return problem
        if self._runs_here(self._task_vars or {}):
            return self._run_here(validated.validated_parameters)
        return self._run_as_module(self._task_vars)

    def _add_knowledge_of_images(self):
        """Add what the catalogue knows of an image that the task names, and the directory for images."""
        # The same name may be that of many VMs.
        knowledge_of = cache(self._knowledge_of)
        if OPTION in self.module.options:
            self._task.args = with_catalogue(self._task.args, knowledge_of)
        elif ADDED in self.module.options:
            self._task.args = with_catalogue_of_names(self._task.args, knowledge_of)
        if DIRECTORY in self.module.options and DIRECTORY not in self._task.args:
            found = self._image_directory()
            self._task.args = {**self._task.args, **({DIRECTORY: found} if found else {})}

    def _image_directory(self):
        """The directory for images if the task sets none; None: the default of the platform."""
        return self._variable("polyvirt_image_directory") or os.environ.get("POLYVIRT_IMAGE_DIRECTORY") or None

    def _knowledge_of(self, name):
        # Few tasks name an image, and the catalogue costs an import.
        from ..installs.catalogue_files import CatalogueFiles, knowledge_of

        files = CatalogueFiles(self._loader.load_from_file, self._variable("polyvirt_catalogue_directories") or ())
        mirrors = self._variable("polyvirt_mirrors") or json.loads(os.environ.get("POLYVIRT_MIRRORS") or "{}")
        return knowledge_of(name, files, date.today(), mirrors)

    def _variable(self, name):
        return self._templar.template((self._task_vars or {}).get(name))

    def _runs_here(self, task_vars):
        """Return whether the module would run with the same user, environment and Python, and its libraries exist."""
        return (
            self._connection.transport == "local"
            and not self._connection.become
            and not self._task.async_val
            and not self._compute_environment_string()
            and _is_own_python(self._templar.template(self._variables(task_vars).get("ansible_python_interpreter")))
            and all(map(_is_importable, self.libraries))
        )

    def _variables(self, task_vars):
        """Return the variables of the host on which the module would run."""
        host = self._task.delegate_to
        return task_vars.get("ansible_delegated_vars", {}).get(host, task_vars) if host else task_vars

    def _validation(self, given):
        arguments = json.loads(json.dumps(given, cls=AnsibleJSONEncoder, vault_to_text=True))
        return ArgumentSpecValidator(self.module.argument_spec).validate(arguments)

    def _problem(self, validated):
        """Return the result of a task with a wrong parameter, as the module would return it, or None.

        No module is shipped only to report that.
        """
        unknown = f"Unsupported parameters for ({self._task.action}) module"
        messages = [*error_messages(validated, unknown), misshapen(self._task.args, self.module.options)]
        if not any(messages):
            return None
        params = validated.validated_parameters
        rejected = self.module.platform.rejected({**params, **self._task.args}, self.module.options)
        # Of a suboption, Ansible has the path.
        names = sorted(".".join([one] if isinstance(one, str) else one) for one in validated.unsupported_parameters)
        other = None if rejected else next(filter(None, (other_module(one, self._task.action) for one in names)), None)
        message = str(not_options(names, other) if other else rejected or messages[0])
        return self.module.shown({"failed": True, "msg": message}, params)

    def _run_here(self, params):
        # Through JSON, as from a module: tuples become lists, and keys strings.
        return json.loads(json.dumps(self.module.result(params, self._task)))

    def _run_as_module(self, task_vars):
        wrap_async = bool(self._task.async_val) and not self._connection.has_native_async
        result = self._execute_module(task_vars=task_vars, wrap_async=wrap_async)
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result


def now():
    """Return the time of the controller in seconds since 1970."""
    return int(time.time())


def _is_own_python(interpreter):
    """Return whether the interpreter of the task is not set, discovered, or the Python that runs Ansible."""
    return interpreter is None or interpreter in _DISCOVERED or _identity(interpreter) == _identity(sys.executable)


def _identity(python):
    """Return what two names of one Python share: ``bin/python`` and ``bin/python3`` of a virtual environment.

    Without the folder, all virtual environments of one Python would be the same.
    """
    return os.path.dirname(os.path.abspath(python)), os.path.realpath(python)


def _is_importable(library):
    try:
        __import__(library)
    except ImportError:
        return False
    return True
