"""How the words of a mail become HTML."""

import re

from django import template
from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# What is longer than this may be wider than a phone.
SHORT = 16


@register.filter
def paragraphs(words: str) -> SafeString:
    """Each block of lines becomes a paragraph, each line within it stays a line; nothing else is marked up."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", conditional_escape(words))]
    # The words are escaped already, by the template that wrote them or by the line above.
    lines = ((mark_safe("<br>".join(re.split(r"\s*\n\s*", block))),) for block in blocks if block)  # noqa: S308
    return format_html_join("\n", '<p style="margin:0 0 14px">{}</p>', lines)


@register.filter
def in_one_piece(name: str) -> str:
    """The name of a gate, which no end of a line parts: not “3” here and “号门” below."""
    return format_html('<span style="white-space:nowrap">{}</span>', name) if len(name) <= SHORT else name
