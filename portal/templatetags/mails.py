"""How the words of a mail become HTML."""

import re

from django import template
from django.utils.html import conditional_escape, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def paragraphs(words: str) -> SafeString:
    """Each block of lines becomes a paragraph, each line within it stays a line; nothing else is marked up."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", conditional_escape(words))]
    # The words are escaped already, by the template that wrote them or by the line above.
    lines = ((mark_safe("<br>".join(re.split(r"\s*\n\s*", block))),) for block in blocks if block)  # noqa: S308
    return format_html_join("\n", '<p style="margin:0 0 14px">{}</p>', lines)
