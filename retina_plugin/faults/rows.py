"""All rows of the torture table, in the order in which they run."""

from . import extreme_logits
from .row import Row

ROWS: tuple[Row, ...] = (*extreme_logits.ROWS,)
