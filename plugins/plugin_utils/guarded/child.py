# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook by another ansible-playbook, with the command line of this one. No secret is on its command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.parsing.splitter import parse_kv
from ansible.template import Templar
from ansible.utils.display import Display

from ...module_utils._core.errors import Refused
from .decisions import outcome_of

_CALLBACK = "polyvirt.core.guarded_outcome"
_HOSTS = "POLYVIRT_GUARDED_HOSTS"
#: The second one is ansible-runner's directory for the events of this process.
_OF_PARENT_ONLY = ("ANSIBLE_CALLBACK_PLUGINS", "AWX_ISOLATED_DATA_DIR")
#: The directory with ansible_collections, from which this collection was loaded.
_ROOT = __file__.partition(f"{os.sep}ansible_collections{os.sep}")[0]
#: ansible-playbook, which ends with the process that started it: on Linux, prctl(2) has it sent a SIGTERM then.
_PROGRAM = """
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
sys.argv[0] = "ansible-playbook"
from ansible.cli.playbook import main
main()
"""
_INTERVAL = 1
#: Options that are passed on as they are: those with another name in Ansible's parsed command line, and the others.
_RENAMED = {"limit": "subset", "user": "remote_user", "private_key": "private_key_file"}
_OPTIONS = (
    *("become", "become_method", "become_password_file", "become_user", "connection", "connection_password_file"),
    *("force_handlers", "forks", "inventory", "module_path", "scp_extra_args", "sftp_extra_args", "skip_tags"),
    *("ssh_common_args", "ssh_extra_args", "tags", "timeout", *_RENAMED),
)


class Child:
    """``vaults``: [(ID, bytes)] of all vaults, also of those that Ansible asked for at its start.

    ``variables`` are extra variables in addition to those of the command line; ``extra``: --check and --diff;
    ``hosts``: those with a snapshot.
    """

    def __init__(self, vaults, variables, extra, hosts=()):
        self._vaults, self._variables, self._extra, self._hosts = vaults, variables, extra, hosts

    def run(self, playbook):
        """Run the playbook, show its output, and return its Outcome."""
        folder = tempfile.mkdtemp(prefix="guarded-", dir=constants.DEFAULT_LOCAL_TMP)
        path, retry = os.path.join(folder, "outcome.json"), os.path.join(folder, "retry")
        pipes = [_pipe(secret) for _name, secret in self._vaults]
        try:
            vaults = [f"--vault-id={name}@/dev/fd/{pipe}" for (name, _secret), pipe in zip(self._vaults, pipes)]
            words = [*_given(context.CLIARGS), *self._extra, *self._extra_variables(folder), *vaults, playbook]
            code = _run(words, {**_environment(path, retry), _HOSTS: ",".join(self._hosts)}, pipes, f"--limit @{retry}")
            return outcome_of(code, _read(path), _stopped(retry))
        finally:
            for pipe in pipes:
                os.close(pipe)
            shutil.rmtree(folder, ignore_errors=True)

    def _extra_variables(self, folder):
        """Yield the arguments for extra variables. Those that are no files may have secrets, so files replace them."""
        texts = [str(one) for one in context.CLIARGS.get("extra_vars") or ()]
        texts = [one if one[:1] in "@[{" else json.dumps(parse_kv(one)) for one in texts]
        for place, one in enumerate([*texts, _unsafe(self._variables)]):
            path = Path(folder, f"extra-{place}.yml")
            # Only its owner can read the directory, which mkdtemp created.
            path.write_text(one, encoding="utf-8")
            yield f"--extra-vars={one}" if one.startswith("@") else f"--extra-vars=@{path}"


def hosts_of(play):
    """Return the hosts of a play that has not started yet; none if they depend on what an earlier play finds."""
    manager, started = play.get_variable_manager(), play.copy()
    try:
        started.post_validate(Templar(loader=play.get_loader(), variables=manager.get_vars(play=play)))
    except AnsibleError:
        return ()
    return manager.get_vars(play=started)["ansible_play_hosts_all"]


def _given(given):
    """The command line of this ansible-playbook, as far as it is no secret."""
    for option in _OPTIONS:
        value = given.get(_RENAMED.get(option, option))
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if one not in (None, False):
                yield f"--{option.replace('_', '-')}{'' if one is True else f'={one}'}"
    if given.get("verbosity"):
        yield f"-{'v' * given['verbosity']}"


def _pipe(content):
    """Return the end of a pipe with the content, which is stored nowhere: the other process inherits it."""
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(content)
    return reading


def _unsafe(value):
    """The value as YAML, in which no text is a template: it may come from another job, and is final."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(key))}: {_unsafe(one)}' for key, one in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_unsafe, value))}]"
    return f"!unsafe {json.dumps(str(value))}" if isinstance(value, str) else json.dumps(value, default=str)


def _read(path):
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _stopped(folder):
    """Return the hosts that failed or were stopped with others: only Ansible's file for a retry has the latter."""
    return [host for path in Path(folder).glob("*.retry") for host in path.read_text("utf-8").splitlines()]


def _environment(outcome_file, retry):
    # The callback plugin of ansible-runner (AWX) changes all output, even if it is not used, and writes events.
    given = (os.environ.get("ANSIBLE_CALLBACK_PLUGINS") or "").split(os.pathsep)
    folders = os.pathsep.join(one for one in given if one and not Path(one, "awx_display.py").exists())
    enabled = [*(constants.config.get_config_value("CALLBACKS_ENABLED") or ()), _CALLBACK]
    kept = {name: value for name, value in os.environ.items() if name not in _OF_PARENT_ONLY}
    return {
        **kept,
        **({"ANSIBLE_CALLBACK_PLUGINS": folders} if folders else {}),
        "POLYVIRT_GUARDED_OUTCOME": outcome_file,
        "ANSIBLE_RETRY_FILES_ENABLED": "true",
        "ANSIBLE_RETRY_FILES_SAVE_PATH": retry,
        # This collection may be next to the playbook of the first process, where the other one does not search.
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join([*constants.COLLECTIONS_PATHS, _ROOT]),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_CALLBACKS_ENABLED": ",".join(enabled),
    }


def _run(words, environment, pipes, hidden):
    """Run ansible-playbook, and return its exit code. It ends if this process or the ansible-playbook above it does.

    Lines of its output with ``hidden`` are not shown.
    """
    parent = os.getppid()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words],
        **{"env": environment, "pass_fds": pipes, "start_new_session": True},
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT},
    )
    # Others can keep its output open after its end: an ssh that keeps a connection, for instance.
    reader = threading.Thread(target=_show, args=(process.stdout, hidden), daemon=True)
    reader.start()
    try:
        while process.poll() is None:
            if os.getppid() != parent:
                raise Refused("The run was killed. The snapshots remain; the next guarded run finds them.")
            with suppress(subprocess.TimeoutExpired):
                process.wait(_INTERVAL)
        reader.join(_INTERVAL)
        return process.returncode
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _show(output, hidden):
    with output:
        for line in output:
            text = line.decode(errors="replace").rstrip("\n")
            if hidden not in text:
                Display().display(f"  {text}")
