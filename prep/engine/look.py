"""Open a dataset only to look at it: from a snapshot of the ledger, without a lock or a change."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from prep.engine import fanout
from prep.engine.inventory.inventory import Known
from prep.engine.session import Context, Leg, Order, open_leg
from prep.engine.state.database import looked_at


@contextmanager
def looking_at(order: Order, context: Context) -> Iterator[Leg]:
    """Yield an order with the world as it is now; nothing is locked, downloaded or changed."""
    context = replace(context, looking=True)
    with looked_at(order.place.state) as ledger:
        leg = fanout.open_source if order.source else open_leg
        opened = leg(order, context, ledger)
        opened.world.known = Known({}, {}, {})  # only a run compares with it
        yield opened
