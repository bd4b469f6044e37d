"""What only torch and the model's own code can tell before a training.

`train check` asks it in a process of its own, so that it loads none of them itself; a training,
which needs them anyway, asks in its own process. Both get the same answers.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from prep.runtime import errors
from prep.runtime.errors import UserError
from train.config import AUTO
from train.families import all_families
from train.families.detect import side_of
from train.families.diffusion_process import predicting


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        place: The base model's folder or file; empty to leave it out.
        family: Its name.
        device: As the person wished: auto, cpu or cuda.
        precision: See `Config`; so is `attention`.
        vae: Whether the VAE will be needed too.
        texts: Whose tokens are counted.
        form: How a whole model will be exported, `folder` or `file`; empty for none.
        prediction: See `Config`; empty for what the base model says.
        compile: See `Config`.
        training: Of which training the memory is forecast, see `memory_question`; empty for none.
    """

    place: str
    family: str
    device: str
    precision: str
    attention: str
    vae: bool = False
    texts: tuple[str, ...] = ()
    form: str = ""
    prediction: str = ""
    compile: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What is known now.

    Attributes:
        wrong: What stands in the way: the error's class, message and hint.
        tokens: Of each text; empty where the base model cannot be opened.
        most_tokens: How many of them train.
        unread: See `Outline`.
        prediction: What the base model predicts, as `Prediction` has it.
        side: Of the square pictures that it was made for, px; 0 where it does not say.
        precision: That is computed in; where `auto` was asked for, what it is on this machine.
        memory: Of the training, see `memory_answer`; empty where it was not asked for.
    """

    wrong: tuple[tuple[str, str, str | None], ...] = ()
    tokens: tuple[int, ...] = ()
    most_tokens: int = 0
    unread: tuple[str, ...] = ()
    prediction: str = ""
    side: int = 0
    precision: str = ""
    memory: Mapping[str, Any] = field(default_factory=dict)

    def errors(self) -> list[UserError]:
        """Return what stands in the way as errors."""
        kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
        return [kinds[kind](message, hint) for kind, message, hint in self.wrong]


Ask = Callable[[Question], Answer]


def here(question: Question) -> Answer:
    """Answer in this process; torch is loaded."""
    wrong: list[UserError] = []
    found = Answer()
    precision = ""
    try:
        precision = _precision(question)
    except UserError as error:
        wrong.append(error)
    if question.place:
        try:
            found = _of_model(replace(question, training={}) if wrong else question)
        except UserError as error:
            wrong.append(error)
    told = tuple((type(error).__name__, str(error), error.hint) for error in wrong)
    return replace(found, wrong=told, precision=precision)


def _of_model(question: Question) -> Answer:
    """Look through the base model, and through the export that it will be."""
    place, family = Path(question.place), all_families()[question.family]
    outline = family.outline(place)
    base = outline.base
    if base is not None:
        base = replace(base, process=predicting(base.process, question.prediction))
    coder: Any = None  # its classes are typed only in part
    if question.vae:
        from prep.models.vae import open_vae

        coder = open_vae(place, "cpu")
        coder.to("meta")
        if question.form and base is not None:
            from train.export.rehearsal import rehearse

            rehearse(question.form, base, coder, place, family.layout)
    side = side_of(outline, family)
    memory: Mapping[str, Any] = {}
    if question.training and base is not None:
        from train.run.memory_question import answer

        memory = answer(question.training, base, family, coder, question.device)
    return Answer(
        tokens=tuple(outline.tokens(list(question.texts))),
        most_tokens=outline.most_tokens,
        unread=outline.unread,
        prediction=base.process.prediction if base else "",
        side=side,
        memory=memory,
    )


def outside(question: Question) -> Answer:
    """Answer in a process of its own; in this one where torch is loaded already.

    Raises:
        SystemExit: That process ended otherwise than well; it has said why.
    """
    if "torch" in sys.modules:
        return here(question)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "train.run.probe"],
        input=json.dumps(asdict(question)).encode(),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.returncode)
    return answered(json.loads(done.stdout))


def answered(found: Mapping[str, Any]) -> Answer:
    """Return an answer of what JSON keeps of it."""
    return Answer(
        tuple((kind, message, hint) for kind, message, hint in found["wrong"]),
        tuple(found["tokens"]),
        found["most_tokens"],
        tuple(found["unread"]),
        found["prediction"],
        found["side"],
        found["precision"],
        found["memory"],
    )


def _precision(question: Question) -> str:
    """Return what is computed in, on a device that can do what is asked."""
    from prep.models.devices import torch_device
    from train.run.machine_check import check_device, usual_precision
    from train.step.compiled import check_compiler

    device = torch_device(question.device)
    check_device(question.precision, question.attention, device)
    if question.compile:
        check_compiler(device)
    return usual_precision(device) if question.precision == AUTO else question.precision


def main() -> None:
    """Answer the question on standard input, on standard output."""
    given = json.loads(sys.stdin.buffer.read())
    found = here(Question(**given | {"texts": tuple(given["texts"])}))
    sys.stdout.buffer.write(json.dumps(asdict(found)).encode())


if __name__ == "__main__":
    main()
