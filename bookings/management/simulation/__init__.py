"""Seasons played through the real rules of the waitlist, to compare what other rules would give."""
