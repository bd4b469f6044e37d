"""What a person may choose to keep the base model as it is where the subject is not called."""

from dataclasses import dataclass

from train.option_fields import option

# Each adds a loss towards the base model's own answer, and takes an adapter that can be set aside.
OWN_ANSWERS = ("prior_prediction", "blank_prompt_preservation")


@dataclass(frozen=True, kw_only=True)
class PreservationOptions:
    """Options beside `prior_loss_weight`, which weighs regularisation pictures."""

    balance_regularisation: bool = option(
        False, "Show regularisation pictures as often as all others together, as kohya's scripts "
        "do", later=True,
    )  # fmt: skip
    prior_prediction: float = option(
        0.0, "Weight of a loss towards the base model's own answer, on texts without the trigger "
        "(1 is usual)", later=True, least=0, most=1000,
    )  # fmt: skip
    blank_prompt_preservation: float = option(
        0.0, "The same, on an empty text", later=True, least=0, most=1000
    )

    def own_answers(self) -> tuple[str, ...]:
        """Return the options that ask for the base model's own answers."""
        return tuple(name for name in OWN_ANSWERS if getattr(self, name))
