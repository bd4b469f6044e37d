"""What a detector's row holds: where its file is, how it is fed, what it finds. Data only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

CASCADE, YOLO = "cascade", "yolo"
# What a detector may find; a row maps its own words or numbers to these.
FACE, HEAD, PERSON, HALF_BODY, EYE = "face", "head", "person", "half body", "eye"
KINDS = (FACE, HEAD, PERSON, HALF_BODY, EYE)

# The fields that decide what is found; the others say where the file is.
_FACTS = ("name", "form", "finds", "threshold", "overlap", "size", "pad", "centred")


@dataclass(frozen=True)
class DetectorProfile:
    """How one detector is fed and read.

    Attributes:
        name: What a person types; of a file without a row, the name of the file.
        form: `cascade`: an XML file for OpenCV's classifier. `yolo`: an ONNX graph as YOLO's
            exporters write it.
        file: The model's file: in its repository, its package, or at the end of its address.
        finds: Class number in the graph -> kind, one of KINDS; of a cascade only 0. Empty: what
            the graph says of its classes.
        threshold: Least score that is kept, 0 to 1.
        overlap: Of two boxes of a kind that share more of their union than this, the likelier
            stays.
        size: px; longer side of the input of a graph that leaves it open.
        pad: RGB of what fills the rest of the input.
        centred: Whether the picture lies in the middle of its input; else at the top left.
        repo: Hub id; empty where it is not on the hub.
        package: Package that holds the file: where it is imported from; empty for none.
        distribution: What installs that package.
        url: Address of the file; empty for none.
        sha256: The file's digest, where an address gives it.
        licence: What its authors say.
        sources: Where each of these facts was read.
    """

    name: str
    form: str
    file: str
    finds: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    threshold: float = 0.25
    overlap: float = 0.7
    size: int = 640
    pad: tuple[int, int, int] = (114, 114, 114)
    centred: bool = True
    repo: str = ""
    package: str = ""
    distribution: str = ""
    url: str = ""
    sha256: str = ""
    licence: str = ""
    sources: tuple[str, ...] = ()

    def facts(self) -> str:
        """Return, as canonical text, all that decides what it finds besides its file."""
        values = {name: getattr(self, name) for name in _FACTS if name != "finds"}
        values["finds"] = {str(number): kind for number, kind in self.finds.items()}
        return json.dumps(values, sort_keys=True)


def finds(*kinds: str) -> Mapping[int, str]:
    """Return class number -> kind of a model whose classes have these kinds, in this order."""
    return MappingProxyType(dict(enumerate(kinds)))
