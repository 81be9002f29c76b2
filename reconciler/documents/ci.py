"""Texts inside of what CI systems read: GitHub's workflow commands and JUnit's XML.

Not the reports themselves. Rule: whatever a file says, it stays text: it ends no command and makes no invalid XML.
"""

import re
from xml.sax.saxutils import quoteattr

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def command_text(text: str) -> str:
    """The text of a workflow command, which cannot end it and begin another one."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """The value of a property (file, title …) of a workflow command."""
    return command_text(text).replace(":", "%3A").replace(",", "%2C")


def xml_attribute(text: str) -> str:
    """The text in quotes, as the value of an attribute; what XML cannot hold is replaced."""
    return quoteattr(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))
