"""Opening a dataset: to change it, under its lock, or only to look at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from prep.engine import fanout
from prep.engine.inventory.inventory import Known
from prep.engine.session import Context, Leg, Order, open_leg
from prep.engine.state.database import looked_at, opened
from prep.engine.state.dataset_lock import held
from prep.engine.state.ledger import Ledger


@contextmanager
def locked_session(order: Order, context: Context) -> Iterator[Leg]:
    """Yield an order with the dataset as it is now, which no other run changes until the end.

    What was read of files is known to the ledger after a clean end.

    Raises:
        HeldError: Another run holds the dataset.
        DatasetError: Its ledger is of a newer version, or its folder cannot be read.
    """
    with held(order.place.state), opened(order.place.state) as ledger:
        leg = _open(order, context, ledger)
        yield leg
        with ledger.batch():
            leg.digests.record()


@contextmanager
def read_only_session(order: Order, context: Context) -> Iterator[Leg]:
    """Yield the same from a snapshot of the ledger: nothing is locked, downloaded or changed."""
    with looked_at(order.place.state) as ledger:
        leg = _open(order, replace(context, looking=True), ledger)
        leg.world.known = Known({}, {}, {})  # only a run compares with it
        yield leg


def _open(order: Order, context: Context, ledger: Ledger) -> Leg:
    opening = fanout.open_source if order.source else open_leg
    return opening(order, context, ledger)
