"""In front of the sign-up form, when more arrive than the site can serve. docs/waiting-room.md tells how it works."""
