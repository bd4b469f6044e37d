"""What `prep check` found wrong with pictures, and what it proposes."""

from prep.pages.markup import Markup, element, join
from prep.report.gathered import Gathered
from prep.report.report_parts import listed
from prep.runtime.counts import counted


def checks(found: Gathered) -> Markup | None:
    """Return each finding with its picture, its region and its reason; None where there is none."""
    rows = []
    for one in found.pictures:
        for check in one.checks:
            place = found.parts.place(one)
            box = check.get("box")
            decide = [
                element("button", "Drop", type="button", data_keep="no", data_of=place),
                element("button", "Keep", type="button", data_keep="yes", data_of=place),
            ]
            rows.append(
                element(
                    "li", found.parts.shot(one, box), element("strong", str(check["kind"])), " ",
                    found.parts.named(one), element("br"), str(check["why"]), element("br"),
                    *(decide if check["propose"] == "drop" else []),
                    element("span", class_="said", data_said=place),
                )
            )  # fmt: skip
    if not rows:
        return None
    told = f"{counted(len(rows), 'finding')}. Nothing is dropped until you say so."
    return join(element("p", told), listed(rows, "findings"))
