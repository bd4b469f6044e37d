"""Where a crop lies, in the words of a person; a file of their own, as every command reads them."""

CENTRE, SALIENCY, SUBJECT = "centre", "saliency", "subject"
