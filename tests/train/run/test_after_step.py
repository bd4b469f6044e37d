from train.methods import config_of
from train.run.outputs import is_due


def test_saves_are_due_by_steps_and_epochs() -> None:
    """Both counts are kept, each by itself, and without them nothing is due."""
    both = config_of(save_every_steps=4, save_every_epochs=2)

    assert [step for step in range(1, 13) if is_due(step, both, per_epoch=3)] == [4, 6, 8, 12]
    assert not any(is_due(step, config_of(), per_epoch=3) for step in range(1, 13))
