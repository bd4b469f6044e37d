"""What trials speak for, from curves whose answer is known."""

from train.trials.trial_choice import LossCurve, StepChoice, settings_of, steps_of, together


def _curve(**rows: list[float]) -> LossCurve:
    """Return a curve: the losses of pictures after each step, named `s10`."""
    return {
        int(step[1:]): {f"{n}.png": loss for n, loss in enumerate(losses)}
        for step, losses in rows.items()
    }


def test_the_most_steps_that_chance_cannot_tell_from_the_best_are_taken() -> None:
    """By each picture against itself; what stood before the first step is not chosen."""
    curve = _curve(
        s0=[0.1, 0.1, 0.1], s10=[0.5, 0.6, 0.7], s20=[0.4, 0.5, 0.6], s30=[0.39, 0.52, 0.6],
        s40=[0.45, 0.55, 0.65],
    )  # fmt: skip

    assert steps_of(curve) == StepChoice(30, 20, 0.5, False)
    assert steps_of({step: curve[step] for step in (0, 10, 20)}).is_last


def test_what_was_asked_for_holds_unless_another_is_better_by_more_than_chance() -> None:
    """The lowest loss of each decides; a picture that swings much tells nothing."""
    asked = _curve(s10=[0.50, 0.50, 0.50])
    swinging = _curve(s10=[0.20, 0.60, 0.60])
    better = _curve(s10=[0.48, 0.49, 0.48], s20=[0.47, 0.48, 0.47])

    assert settings_of([asked, swinging]) == 0
    assert settings_of([asked, swinging, better]) == 2
    assert settings_of([better, asked]) == 0


def test_parts_are_one_curve_of_all_pictures() -> None:
    """Each picture is held out in one part; steps that one part lacks are left out."""
    parts: list[LossCurve] = [{1: {"a": 1.0}, 2: {"a": 2.0}}, {2: {"b": 4.0}}]

    assert together(parts) == {2: {"a": 2.0, "b": 4.0}}
