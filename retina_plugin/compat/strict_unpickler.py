"""A reader of pickles that refuses every opcode, name, call and state that is not listed.

PyTorch's own, `torch.load(weights_only=True)`, hands a file's flags for numpy's types to numpy,
which believes them: a text type may say that its items are Python's objects. Until PyTorch 2.10 it
also reads past the end of a storage that is shorter than its file says (CVE-2026-24747), until 2.6
it unpacks tar files (CVE-2025-32434), and until 2.5 it cannot be told about MMEngine's history.
Opcodes are decoded here by `pickletools`, which executes nothing.
"""

import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pickle import UnpicklingError
from typing import IO, Any

# Those that put their own argument on the stack, and those that put a new value there.
CONSTANTS = {"BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "LONG1", "SHORT_BINSTRING"}
VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWFALSE": lambda: False,
    "NEWTRUE": lambda: True,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
GETS, PUTS = {"BINGET", "LONG_BINGET"}, {"BINPUT", "LONG_BINPUT"}
PYTHON_2 = {"__builtin__": "builtins"}  # as a pickle of protocol 2 calls it

# What a pickle names, and takes in place of it.
Names = Mapping[str, Any]
# From (the object, its state) to the object with that state, by the object's type.
Builders = Mapping[type, Callable[[Any, Any], Any]]


class StrictUnpickler:
    """An interpreter of pickles; subclasses say what it allows.

    `torch.load` derives from it, and sets `persistent_load`, which reads a storage.
    """

    names: Names = {}
    calls: Iterable[Any] = ()  # of the values of `names`, those that a pickle may call
    makes: Iterable[type] = ()  # and those of which it may make an empty object
    builders: Builders = {}
    persistent_load: Callable[[Any], Any]

    def __init__(self, file: IO[bytes], **_: Any) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # stacks under a mark
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """What the next pickle in the file holds.

        Raises:
            UnpicklingError: It holds something that is not allowed.
            Exception: Of any kind, for a damaged file.
        """
        for opcode, argument, _ in pickletools.genops(self.file):
            self._run(opcode.name, argument)
        return self.stack.pop()

    def find_class(self, module: str, name: str) -> Any:
        """The object for a name, which need not be the one that the name means elsewhere."""
        path = f"{PYTHON_2.get(module, module)}.{name}"
        if path not in self.names:
            raise UnpicklingError(f"GLOBAL {path}")
        return self.names[path]

    def check_storage(self, identifier: Any) -> None:
        """Raise UnpicklingError for the identifier of a storage that must not be read."""

    def _run(self, name: str, argument: Any) -> None:
        if name in CONSTANTS:
            self.stack.append(argument)
        elif name in VALUES:
            self.stack.append(VALUES[name]())
        elif name in TUPLES:
            self.stack[-TUPLES[name] :] = [tuple(self._last(TUPLES[name]))]
        elif name in GETS:
            self.stack.append(self.memo[argument])
        elif name in PUTS:
            self.memo[argument] = self.stack[-1]
        elif name not in ("PROTO", "STOP"):
            step = STEPS.get(name)
            if step is None:
                raise UnpicklingError(f"GLOBAL opcode.{name}")
            step(self, argument)

    def _last(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise UnpicklingError("the stack is empty")
        return self.stack[-count:]

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _mark(self, _: None) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self.find_class(module, name))

    def _reduce(self, _: None) -> None:
        function, arguments = self._last(2)
        if not any(function is allowed for allowed in self.calls):
            raise UnpicklingError(f"GLOBAL {_described(function)}")
        self.stack[-2:] = [function(*arguments)]

    def _new(self, _: None) -> None:
        kind, arguments = self._last(2)
        if not any(kind is allowed for allowed in self.makes) or arguments != ():
            raise UnpicklingError(f"GLOBAL {_described(kind)}")
        self.stack[-2:] = [kind.__new__(kind)]

    def _build(self, _: None) -> None:
        before, state = self._last(2)
        builder = self.builders.get(type(before))
        if builder is None:
            raise UnpicklingError(f"GLOBAL {_described(type(before))}")
        built = builder(before, state)
        self.stack[-2:] = [built]
        if built is not before:
            self.memo |= {key: built for key, value in self.memo.items() if value is before}

    def _append(self, _: None) -> None:
        self._extend([self.stack.pop()])

    def _appends(self, _: None) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise UnpicklingError(f"GLOBAL {_described(type(self.stack[-1]))}")
        self.stack[-1].extend(items)

    def _set_item(self, _: None) -> None:
        pair = self._last(2)
        del self.stack[-2:]
        self._update(pair)

    def _set_items(self, _: None) -> None:
        self._update(self._since_mark())

    def _update(self, items: list[Any]) -> None:
        table = self.stack[-1]
        if type(table) not in (dict, OrderedDict, Counter):
            raise UnpicklingError(f"GLOBAL {_described(type(table))}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            table[key] = value

    def _tuple(self, _: None) -> None:
        items = tuple(self._since_mark())
        self.stack.append(items)

    def _storage(self, _: None) -> None:
        identifier = self.stack.pop()
        self.check_storage(identifier)
        self.stack.append(self.persistent_load(identifier))


STEPS: dict[str, Callable[[StrictUnpickler, Any], None]] = {
    "MARK": StrictUnpickler._mark,
    "GLOBAL": StrictUnpickler._global,
    "REDUCE": StrictUnpickler._reduce,
    "NEWOBJ": StrictUnpickler._new,
    "BUILD": StrictUnpickler._build,
    "APPEND": StrictUnpickler._append,
    "APPENDS": StrictUnpickler._appends,
    "SETITEM": StrictUnpickler._set_item,
    "SETITEMS": StrictUnpickler._set_items,
    "TUPLE": StrictUnpickler._tuple,
    "BINPERSID": StrictUnpickler._storage,
}


def _described(thing: Any) -> str:
    """Its name, in letters that a message can quote."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}".strip(".")
