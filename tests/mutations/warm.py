# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tests with mutants in forks of a process that has imported pytest, Ansible, the product and the tests."""

from __future__ import annotations

import ctypes
import importlib
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from mutations.swap import live_functions, swap

#: What most tests import. Nothing of the product: a fork without it can import a mutant.
_LIBRARIES = ("ansible.module_utils.basic", "ansible.template", "hypothesis", "jinja2", "proxmoxer", "requests", "yaml")
#: The libraries are imported already.
_REWRITE = "ignore::pytest.PytestAssertRewriteWarning"
_OPTIONS = ("-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", _REWRITE)
_COLLECTION = "ansible_collections.polyvirt.core"
#: Bytes of memory for a mutant that never ends to ask for more.
_MEMORY = 4 << 30
#: Of prctl(2): this process ends with the one that started it.
_PR_SET_PDEATHSIG = 1
#: The answer for a process that has not ended in time, or has ended without an answer.
NO_ANSWER = None
COLD, FAILING = "cold", "failing"


def import_libraries():
    for name in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)


def in_fork(function, limit):
    """What ``function`` returns in a fork of this process, or NO_ANSWER. Nothing that it started remains."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = os.fork()
    if process == 0:
        try:
            os.setsid()
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            for stream in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
            theirs.send((function(), None))
        except Exception:
            theirs.send((None, traceback.format_exc()))
        finally:
            os._exit(0)
    theirs.close()
    try:
        answer, error = ours.recv() if ours.poll(limit) else (NO_ANSWER, None)
    except EOFError:
        return NO_ANSWER
    finally:
        ours.close()
        for kill in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    if error:
        raise RuntimeError(error)
    return answer


def in_checkout(root, function):
    """Call a function of pytest in this process, which must be a fork, for the tests of a checkout or a copy of it."""
    for name, module in list(sys.modules.items()):
        is_ours = name == "__main__" or name.startswith("mutations")
        if not is_ours and _is_in_checkout(getattr(module, "__file__", None)):
            del sys.modules[name]
    sys.path[:] = [path for path in sys.path if not _is_in_checkout(path)]
    os.chdir(root)
    return function()


def _is_in_checkout(path):
    return bool(path) and str(path).startswith(os.environ["POLYVIRT_MUTATED_CHECKOUT"])


def pytest_main(words, plugin):
    error = _InternalError()
    code = pytest.main([*_OPTIONS, *words], plugins=[plugin, error])
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise RuntimeError(f"pytest {' '.join(words)} ended with {code!r}: {error.text}")
    return plugin


class _InternalError:
    text = ""

    def pytest_internalerror(self, excrepr):
        self.text = str(excrepr)


class FirstFailure:
    """A plugin of pytest that keeps the id of the first test that fails, or cannot be imported."""

    failed = None
    count = 0

    def pytest_runtest_logreport(self, report):
        self.count += report.when == "call"
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report):
        if report.failed:
            self.failed = self.failed or report.nodeid


def run_items(items, failures):
    """Run tests in this order until the first of them fails."""
    for item, following in zip(items, [*items[1:], None]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if failures.failed:
            return


class WarmTrials(FirstFailure):
    """A plugin of pytest that collects the tests once, and then tries each mutant in a fork.

    ``answers`` has one of (id of the failed test or None, number of tests), NO_ANSWER, COLD for a mutant that only
    another import can try, or FAILING if a test fails without the mutant.
    """

    def __init__(self, trials, checkout):
        self._trials = trials
        self._checkout = checkout
        self.answers = []

    def pytest_runtestloop(self, session):
        for trial in self._trials:
            _import(trial.path)
        modules = _imported({self._checkout / trial.path for trial in self._trials})
        live = live_functions({module.__file__ for module in modules.values()})
        for trial in self._trials:
            items = chosen(session.items, trial.tests)
            module = modules.get(self._checkout / trial.path)
            clean = (None, 0) if trial.are_passing else in_fork(partial(self._run, items), trial.limit())
            if clean is NO_ANSWER or clean[0]:
                self.answers.append(FAILING)
            else:
                self.answers.append(in_fork(partial(self._try, trial, module, live, items), trial.limit()))
        return True

    def _try(self, trial, module, live, items):
        try:
            is_swapped = module is not None and swap(live, module, trial.old, trial.new)
        except Exception:  # The code of the mutant fails; another import shows whether a test notices.
            is_swapped = False
        if not is_swapped:
            return COLD
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        return self._run(items)

    def _run(self, items):
        run_items(items, self)
        return self.failed, self.count


def _import(path):
    """Import a file of the product: many are imported only when a test needs them."""
    if path.startswith("plugins/"):
        with suppress(ImportError):
            importlib.import_module(".".join((_COLLECTION, *Path(path).with_suffix("").parts)))


def _imported(files):
    """{file: the module that this process has imported from it, such as through a link to the checkout}"""
    modules = [module for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    return {path: module for module in modules if (path := Path(os.path.realpath(module.__file__))) in files}


def chosen(items, tests):
    """The items of each test (a file, a class, a function or a case), in the order of the tests."""
    by_id = {item.nodeid: item for item in items}
    found = [item for test in tests for item in ([by_id[test]] if test in by_id else _items_of(test, items))]
    return list(dict.fromkeys(found))


def _items_of(test, items):
    return [item for item in items if item.nodeid.startswith((f"{test}[", f"{test}::", f"{test}/"))]
