"""What captioners say besides the caption, as patterns. Adding a habit is adding a row."""

import re

_PICTURE = r"(?:image|picture|photo|photograph|scene|illustration|artwork)"
_SEES = (
    r"(?:shows|depicts|features|displays|captures|presents|portrays|contains|showcases|"
    r"illustrates|is (?:of|showing|depicting)|appears to (?:show|depict|be(?: of)?))"
)
_THINK = r"think|thinking|thought|reasoning"

# <think> ... </think>, [THINK] ... [/THINK]; the analysis channel of gpt-oss.
THOUGHTS = re.compile(
    rf"<({_THINK})>.*?</\1>|\[think\].*?\[/think\]"
    r"|<\|channel\|>analysis<\|message\|>.*?(?:<\|end\|>|(?=<\|channel\|>))",
    re.DOTALL | re.IGNORECASE,
)
# One that was never opened, since the chat template did it, or is never closed.
UNCLOSED_THOUGHT = re.compile(
    rf"\A.*</(?:{_THINK})>|\A.*\[/think\]|<(?:{_THINK})>.*\Z|\[think\].*\Z"
    r"|<\|channel\|>analysis<\|message\|>.*\Z",
    re.DOTALL | re.IGNORECASE,
)
# Code fences with their language, bold, headings; boxes around an answer (GLM, gpt-oss).
MARKS = re.compile(
    r"^\s*```[\w-]*[ \t]*$|```|\*\*|^\s*#{1,6}\s+|</?answer>|<\|(?:begin|end)_of_box\|>"
    r"|<\|start\|>assistant|<\|channel\|>final<\|message\|>|<\|(?:end|return|im_end)\|>",
    re.MULTILINE | re.IGNORECASE,
)
_SAYS = r"(?:caption|description|sentence|paragraph|summary|prompt)s?"
_SEEN = r"(?:there (?:is|are)|(?:we|you|i) (?:can )?see)\s+"
# Sure! / Sure, here ... / Okay, so the caption would be:
_POLITE = (
    rf"(?:sure|certainly|of course|okay|ok|absolutely|alright)\b(?:[!.]\s+|, (?=here|the {_SAYS})"
    rf"|[^.:!?]{{0,60}}\b(?:{_SAYS}|{_PICTURE})\b[^.:!?]{{0,40}}:\s*)"
)
# Caption: / The description of the image is:
_LABEL = (
    rf"(?:the |a |my )?(?:(?:image|short|detailed|one-sentence) )?(?:{_SAYS}|answer)"
    r"(?: of the image)?(?: is)?:\s*"
)
_LEADS = (
    _POLITE,
    rf"here(?:'s|\u2019s| is| are)\b[^.:!?]{{0,30}}\b{_SAYS}\b[^.:!?]{{0,60}}:\s*",
    _LABEL,
    rf"(?:the|this) (?:provided |given )?{_PICTURE} {_SEES}(?:\s+|\Z)",
    rf"in (?:the|this) (?:provided |given )?{_PICTURE}(?:,\s+(?:{_SEEN})?|\s+{_SEEN})",
    rf"(?:this|it) is an? {_PICTURE} (?:of|showing|depicting)\s+",
    r"(?:we|you|i) (?:can )?see\s+",
)
# The words that lead to a caption; one at a time, from the start.
LEADS = re.compile(rf"\A(?:{'|'.join(_LEADS)})", re.IGNORECASE)
# Pairs that may stand around a whole answer.
QUOTES = (
    ('"', '"'), ("'", "'"), ("`", "`"), ("\u201c", "\u201d"), ("\u2018", "\u2019"),
    ("\u00ab", "\u00bb"), ("\u300c", "\u300d"),
)  # fmt: skip
_CANNOT = (
    r"(?:can ?not|can't|(?:am|'m) (?:unable|not able) to|won't|will not|(?:do not|don't) feel "
    r"comfortable)"
)
_OBJECT = (
    r"(?:help|assist|describ|provid|identif|comply|fulfil|view|see|process|analy[sz]|creat|"
    r"generat|caption|continu|answer|do that|engage|discuss|respond)"
)
REFUSALS = re.compile(
    "|".join(
        (
            r"\A\W*(?:i'm|i am|we're|we are) (?:very |really |so )?sorry\b",
            r"\A\W*(?:sorry|apologies|i apologi[sz]e)\b[,.]? ",
            rf"(?:\A\W*|[.!;,]\s+|but )i ?{_CANNOT}\b[^.]{{0,40}}\b{_OBJECT}",
            rf"\A\W*(?:unfortunately,? )i {_CANNOT}\b",
            r"(?:\A\W*|[.!]\s+)as an? (?:ai|artificial|large language|language model)\b",
            r"\A\W*unable to (?:view|see|process|access|open|describe)\b",
            r"\A\W*(?:there is )?no image (?:was|is|has been|provided|attached|found|visible)\b",
            r"\A\W*(?:please|could you) (?:provide|upload|share|attach) (?:the|an|your) image",
            r"\A\W*(?:this|the) (?:request|content|image) (?:violates|goes against)\b",
            r"\A\W*(?:\u62b1\u6b49|\u5bf9\u4e0d\u8d77|\u6211\u65e0\u6cd5|\u5f88\u62b1\u6b49)",
            r"\A\W*(?:\u7533\u3057\u8a33|\u3059\u307f\u307e\u305b\u3093)",
        )
    ),
    re.IGNORECASE,
)
# Where a sentence ends: also before a closing quote, and where no space follows in CJK scripts.
ENDS = re.compile(
    r"[.!?]+[\"')\]\u201d\u2019]*(?=\s|\Z)|[\u3002\uff01\uff1f]+[\u300d\u300f\uff09]*"
)
CONNECTORS = frozenset(("and", "with", "or", "of", "in", "on", "the", "a", "an", "then", "to"))
