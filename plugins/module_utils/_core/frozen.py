# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes of annotated fields, written and used as dataclasses: Frozen for immutable values, Mutable for others.

``dataclass`` generates and compiles methods for each class, which takes about 1 ms. A task imports more than 60 such
classes, and every playbook imports them again. Here, all classes share their methods. Alternatives:

* a NamedTuple is compiled too, cannot be extended, and is equal to any tuple, so also to a value of another class
* a SimpleNamespace accepts any argument, and can be changed
* attrs and pydantic are not installed on the hosts where modules run

Unlike dataclasses, there is neither ``__post_init__`` nor ``init=False``: no value of this collection needs them.
"""

from __future__ import annotations

_REQUIRED = object()


class _Field:
    """What ``field`` returns: how a class treats one of its fields."""

    def __init__(self, default, default_factory, compare, repr):
        self.default, self.default_factory, self.compare, self.repr = default, default_factory, compare, repr


def field(*, default=_REQUIRED, default_factory=None, compare=True, repr=True):
    """Describe a field as ``dataclasses.field`` does."""
    return _Field(default, default_factory, compare, repr)


class _Values:  # noqa: PLW1641 (only a frozen one has a hash)
    """Subclasses annotate their fields. With ``eq=False``, a value is equal to itself only, and so are those of
    subclasses.
    """

    #: {name: _Field} in the order of positional arguments.
    _fields = {}  # noqa: RUF012 (each class has its own)

    def __init_subclass__(cls, eq=True, **others):
        super().__init_subclass__(**others)
        # Python 3.9 has no function for the annotations of a class without those of its bases.
        own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063
        cls._fields = known = {**cls._fields, **{name: cls._described(name) for name in own}}
        cls._defaults = {name: one.default for name, one in known.items() if one.default is not _REQUIRED}
        cls._factories = {name: one.default_factory for name, one in known.items() if one.default_factory is not None}
        cls._compared = tuple(name for name, one in known.items() if one.compare)
        cls._shown = tuple(name for name, one in known.items() if one.repr)
        if not eq:
            cls.__eq__, cls.__hash__ = object.__eq__, object.__hash__

    @classmethod
    def _described(cls, name):
        given = cls.__dict__.get(name, _REQUIRED)
        default = given.default if isinstance(given, _Field) else given
        if type(default).__hash__ is None:
            raise TypeError(f"{cls.__name__}.{name}: all values would share this default; use default_factory")
        if not isinstance(given, _Field):
            return field(default=given)
        delattr(cls, name)
        return given

    def __init__(self, /, *values, **named):
        if values:
            named = self._named(values, named)
        # Not by setattr, which Frozen rejects.
        state = self.__dict__
        state.update(self._defaults)
        state.update(named)
        for name, make in self._factories.items():
            if name not in named:
                state[name] = make()
        if state.keys() != self._fields.keys():
            raise TypeError(self._wrong_arguments(state))

    def _named(self, values, named):
        if len(values) > len(self._fields):
            raise TypeError(f"{type(self).__name__}: {len(values)} values for {len(self._fields)} fields")
        by_position = dict(zip(self._fields, values))
        twice = sorted(by_position.keys() & named.keys())
        if twice:
            raise TypeError(f"{type(self).__name__}: several values for {', '.join(twice)}")
        return {**by_position, **named}

    def _wrong_arguments(self, state):
        missing = [name for name in self._fields if name not in state]
        unknown = [name for name in state if name not in self._fields]
        problems = {"missing": missing, "unknown": unknown}
        texts = [f"{problem} {', '.join(names)}" for problem, names in problems.items() if names]
        return f"{type(self).__name__}: {'; '.join(texts)}"

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def _values(self):
        # Cached properties are in the same dictionary, and are not compared.
        state = self.__dict__
        return [state[name] for name in self._compared]

    def __repr__(self):
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shown)
        return f"{type(self).__qualname__}({values})"


class Frozen(_Values):
    """An immutable value, which can be a key if its fields can."""

    def __setattr__(self, name, value):
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set; use replace()")

    def __delattr__(self, name):
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted")

    def __hash__(self):
        return hash(tuple(self._values()))


class Mutable(_Values):
    """What is collected or changed step by step."""


def fields(values):
    """Return the names of the fields of a class or a value."""
    return tuple(values._fields)


def replace(value, /, **changes):
    """Return a value of the same class, with some fields changed."""
    state = value.__dict__
    return type(value)(**{**{name: state[name] for name in value._fields}, **changes})
