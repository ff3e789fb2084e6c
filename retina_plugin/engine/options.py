"""Options of a command line that change a config: KEY=VALUE."""

import ast
import re
from collections.abc import Collection, Sequence
from contextlib import suppress

from mmengine.config import DictAction

from ..errors import UserError

QUOTES = "'\""
UNREADABLE = AssertionError, RecursionError  # what MMEngine ends in over brackets
_SPACED_WORDS = re.compile(r"[^\s,()\[\]]\s+[^\s,()\[\]]")


def parsed(pairs: Sequence[str]) -> dict[str, object]:
    """The values of KEY=VALUE pairs, as MMEngine reads them, but that texts keep their spaces.

    A folder is `my data/`; a text in quotes, also one inside a list, keeps its commas too.

    Raises:
        UserError: a pair has no `=`, brackets that do not match, or a list of texts with spaces
            and without quotes.
    """
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UserError(f"--cfg-options expects KEY=VALUE, not {pair}.")
        found[key] = _value(text, pair)
    return found


def quoted(text: object) -> str:
    """A text as the value of an option, in quotes if it would be read as something else."""
    with suppress(UserError):
        if _value(str(text), "") == text:
            return str(text)
    mark = QUOTES[0] if QUOTES[1] in str(text) else QUOTES[1]
    return f"{mark}{text}{mark}"


def refuse(pairs: Sequence[str], taken: Collection[str], why: str) -> None:
    """Raise UserError for an option that sets what is set already, a part of it or the whole.

    Args:
        pairs: KEY=VALUE.
        taken: keys.
        why: what to do instead, as the end of a sentence.
    """
    for key in parsed(pairs):
        for other in taken:
            if f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}."):
                raise UserError(f"--cfg-options {key} cannot be set here: {why}.")


def _value(text: str, pair: str) -> object:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in QUOTES
    if is_quoted and not (text[1] in "([" and text[-2] in ")]"):
        return text[1:-1]
    with suppress(SyntaxError, ValueError):
        found = ast.literal_eval(text.strip(QUOTES))
        if isinstance(found, list) or (isinstance(found, tuple) and "(" in text):
            return found
    try:
        found = DictAction._parse_iterable(text)  # noqa: SLF001 (what MMEngine's own tools use)
    except UNREADABLE as error:
        raise UserError(f"--cfg-options {pair}: the brackets of its value do not match.") from error
    if isinstance(found, str):
        return text.strip(QUOTES)
    if isinstance(found, list | tuple) and _SPACED_WORDS.search(text):
        raise UserError(
            f"--cfg-options {pair}: texts with spaces or commas need quotes, for example "
            """KEY='"my data/"' or KEY='["pin hole","short"]'."""
        )
    return found
