# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of modules for platforms on Windows: they run on the controller and send calls to the host."""

from __future__ import annotations

import json

from ansible.errors import AnsibleAuthenticationFailure, AnsibleConnectionFailure, AnsibleError

from ...module_utils._ports.windows import Lost, Windows, connected, not_windows
from .in_process import InProcess

_MODULE = "polyvirt.core.windows_calls"
#: Libraries of connection plugins. Not all plugins turn the exceptions of these libraries into Ansible's own.
_LIBRARIES = ("winrm", "pypsrp", "requests", "urllib3", "paramiko")
#: The exit code with which the shell of another system reports a missing program.
_NOT_FOUND = 127


class OnWindows(InProcess):
    """Become, environment and interpreter of the task apply to the calls on the host."""

    _supports_async = False

    def _runs_here(self, task_vars):
        return True

    def _run_here(self, params):
        self._failure, self._has_answered = None, False
        with connected(Windows(self._send, self._reset, put=self._put)):
            result = super()._run_here(params)
        if result.get("failed") and self._failure and not self._has_answered:
            # As for any other module, Ansible itself reports a host that cannot be reached.
            raise self._failure
        return result

    def _send(self, text):
        """Send a request and return the answer. Raises Lost if the connection fails, with any connection plugin.

        Raises Unavailable if the host is not a Windows host, which a retry would not change.
        """
        self._check_shell()
        try:
            result = self._execute_module(_MODULE, {"request": text}, task_vars=self._task_vars)
        except Exception as error:
            self._failure = self._failure or error
            if not _is_lost(error) and not isinstance(error, AnsibleError):
                raise
            raise Lost(str(error), before=not self._connection.connected, again=_is_lost(error)) from error
        if result.get("rc") == _NOT_FOUND:
            raise self._not_windows(f"it has no PowerShell ({_reason(result)})")
        if "answer" not in result:
            raise Lost(_reason(result))
        self._has_answered = True
        # Through JSON: plain values, without the types with which Ansible marks them as untrusted.
        return json.loads(json.dumps(result["answer"]))

    def _check_shell(self):
        """A shell for other systems would also find PowerShell on Linux, or lose its exit code (sudo)."""
        if not getattr(self._connection._shell, "_IS_WINDOWS", False):
            raise self._not_windows(f"ansible_connection: {self._connection.transport} has the shell of another system")

    def _not_windows(self, why):
        host = self._task.delegate_to or (self._task_vars or {}).get("inventory_hostname", "localhost")
        return not_windows(host, why)

    def _put(self, local, remote):
        """Copy a file to the host. Raises Lost like ``_send``."""
        try:
            self._connection.put_file(local, remote)
        except Exception as error:
            if not _is_lost(error) and not isinstance(error, AnsibleError):
                raise
            raise Lost(str(error), again=_is_lost(error)) from error

    def _image_directory(self):
        """The directory on the host. The environment variable is that of the controller's own directory."""
        return self._variable("polyvirt_image_directory")

    def _reset(self):
        try:
            self._connection.reset()
        except Exception as error:
            # The next request fails for the same reason, and reports it.
            if not _is_lost(error):
                raise


def _is_lost(error):
    if isinstance(error, AnsibleAuthenticationFailure):
        return False
    from_library = any(kind.__module__.split(".")[0] in _LIBRARIES for kind in type(error).__mro__)
    return from_library or isinstance(error, (OSError, EOFError, AnsibleConnectionFailure))


def _reason(result):
    """Return why there is no answer: how the process on the host has ended, or why it could not start."""
    outputs = [str(result.get(name) or "").strip() for name in ("module_stderr", "module_stdout", "msg")]
    return f"exit code {result.get('rc')}: {next(filter(None, outputs), 'no output')}"[:500]
