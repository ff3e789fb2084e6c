"""All rows of the torture table, in the order in which they run."""

from . import bad_losses, deaths, extreme_logits, kills, processes
from .row import Row

GROUPS = (kills, extreme_logits, bad_losses, processes, deaths)
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.ROWS)
