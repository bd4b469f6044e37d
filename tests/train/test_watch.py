import signal

from train.config import Config
from train.stopping import stops
from train.watch import is_due


def test_saves_are_due_by_steps_and_epochs() -> None:
    """Both counts are kept, each by itself, and without them nothing is due."""
    both = Config(save_every_steps=4, save_every_epochs=2)

    assert [step for step in range(1, 13) if is_due(step, both, per_epoch=3)] == [4, 6, 8, 12]
    assert not any(is_due(step, Config(), per_epoch=3) for step in range(1, 13))


def test_the_first_signal_asks_and_the_second_stops() -> None:
    """One Ctrl-C is noted and told; the next one acts at once, as it does outside."""
    told = []
    try:
        with stops(lambda: told.append("asked")) as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.asked == signal.SIGINT
            signal.raise_signal(signal.SIGINT)
            told.append("went on")
    except KeyboardInterrupt:
        told.append("stopped")

    assert told == ["asked", "stopped"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
