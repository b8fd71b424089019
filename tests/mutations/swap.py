# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give modules that are already imported the code of a mutant."""

from __future__ import annotations

import ast
import gc
import inspect
import sys
from types import CodeType, FunctionType


def live_functions(files):
    """{(file, first line, name): the functions with that code} of these files."""
    found = {}
    gc.unfreeze()  # tests/conftest.py hides from the collector what stays until the end.
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename in files:
            found.setdefault(_key(function.__code__), []).append(function)
    gc.freeze()
    return found


def swap(live, module, old, new):
    """Whether an imported module has the new source then. That of a class body, for example, needs another import."""
    file = module.__file__
    try:
        pairs = _changed(compile(old, file, "exec"), compile(new, file, "exec"))
    except _OutsideOfFunctions:
        return _assign(module, ast.parse(old).body, ast.parse(new).body)
    if not pairs or not all(_key(before) in live for before, _after in pairs):
        return False
    pairs = [pair for outer in pairs for pair in _with_inner(*outer)]
    if any(_form(before) != _form(after) for before, after in pairs):
        return False
    for before, after in pairs:
        for function in live.get(_key(before), ()):
            function.__code__ = after
    return True


def _assign(module, old, new):
    """Whether all that differs is a value that the module assigns to a name, which has the new one then."""
    changed = [after for before, after in zip(old, new) if ast.dump(before) != ast.dump(after)]
    if len(old) != len(new) or len(changed) != 1 or not isinstance(changed[0], (ast.Assign, ast.AnnAssign)):
        return False
    if _is_used_at_import(changed[0], new):
        return False
    former = dict(vars(module))
    exec(compile(ast.Module(changed, []), module.__file__, "exec"), vars(module))
    replaced = {name: value for name, value in vars(module).items() if value is not former.get(name)}
    for other in list(sys.modules.values()):
        for name, value in replaced.items():
            if not name.startswith("_") and name in former and vars(other).get(name) is former[name]:
                setattr(other, name, value)
    return True


def _is_used_at_import(assigned, statements):
    """Whether another statement of the module has computed something with the value, such as a table."""
    names = {one.id for one in ast.walk(assigned) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    others = [one for one in statements if one is not assigned and not isinstance(one, ast.FunctionDef)]
    return any(isinstance(one, ast.Name) and one.id in names for other in others for one in ast.walk(other))


class _OutsideOfFunctions(Exception):
    pass


def _key(code):
    return code.co_filename, code.co_firstlineno, code.co_name


def _form(code):
    """What Python does not permit to change: whether it is a generator, and which variables it has from around it."""
    return code.co_flags & inspect.CO_GENERATOR, len(code.co_freevars)


def _is_function(code):
    return bool(code.co_flags & inspect.CO_OPTIMIZED)


def _changed(old, new):
    """[(old code, new code)] of the outermost functions that differ."""
    if _is_function(old):
        return [] if _compared(old) == _compared(new) else [(old, new)]
    if _own(old) != _own(new):
        raise _OutsideOfFunctions
    return [pair for inner in zip(_inner(old), _inner(new)) for pair in _changed(*inner)]


def _with_inner(old, new):
    """The code of a function and of those in it, which may have been created already."""
    yield old, new
    if len(_inner(old)) == len(_inner(new)):
        for pair in zip(_inner(old), _inner(new)):
            yield from _with_inner(*pair)


def _inner(code):
    return [one for one in code.co_consts if isinstance(one, CodeType)]


def _own(code):
    """What a code object does, without the code in it. repr, because 1 == True."""
    constants = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return code.co_code, code.co_names, code.co_varnames, constants, [one.co_name for one in _inner(code)]


def _compared(code):
    return _own(code), [_compared(one) for one in _inner(code)]
